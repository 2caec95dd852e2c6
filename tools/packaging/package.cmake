# The Debian package: cpack -G DEB in a build folder.
install(FILES ${CMAKE_CURRENT_LIST_DIR}/ringlund.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/ringlun.sysusers DESTINATION lib/sysusers.d
	RENAME ringlun.conf)
# a configuration file of the system's wherever the rest goes
install(FILES ${CMAKE_CURRENT_LIST_DIR}/ringlund.default DESTINATION /etc/default RENAME ringlund)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ringlun)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The ringlun developers <developers@ringlun.io>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "iSCSI target server on io_uring")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"ringlun serves sparse files and logical volumes as SCSI disks to iSCSI
initiators, from user space and without a kernel module. ringlund is the
server, ringlun the command that manages it while it runs.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
	OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON) # needs dpkg-dev
set(CPACK_DEBIAN_PACKAGE_DEPENDS
	"systemd | systemd-standalone-sysusers, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "open-iscsi, lvm2, prometheus, grafana")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/finish.cmake)
file(WRITE ${CMAKE_BINARY_DIR}/package/conffiles "/etc/default/ringlund\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
	${CMAKE_CURRENT_LIST_DIR}/postinst ${CMAKE_CURRENT_LIST_DIR}/prerm
	${CMAKE_CURRENT_LIST_DIR}/postrm ${CMAKE_BINARY_DIR}/package/conffiles)
include(CPack)
