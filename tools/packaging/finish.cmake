# Before the package is closed: what Debian wants in every one.
file(GLOB_RECURSE pages ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/man/*.[158])
set(doc ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/ringlun)
file(COPY ${CMAKE_CURRENT_LIST_DIR}/copyright DESTINATION ${doc})
configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog ${doc}/changelog.Debian COPYONLY)
file(REMOVE ${doc}/LICENSE) # copyright says where it is
execute_process(COMMAND gzip -9n ${pages} ${doc}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)
