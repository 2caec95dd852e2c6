/* What the commands do: one function each (tree.c names them). */
#pragma once

#include "tools/ringlun/command.h"

enum command_status volume_create(struct call *c);
enum command_status volume_list(struct call *c);
enum command_status volume_show(struct call *c);
enum command_status volume_resize(struct call *c);
enum command_status volume_delete(struct call *c);
enum command_status volume_expose(struct call *c);
enum command_status volume_unexpose(struct call *c);
enum command_status volume_recover(struct call *c);

enum command_status target_list(struct call *c);
enum command_status target_show(struct call *c);
enum command_status target_create(struct call *c);
enum command_status target_delete(struct call *c);
enum command_status target_allow(struct call *c);
enum command_status target_deny(struct call *c);
enum command_status target_chap(struct call *c);
enum command_status target_set(struct call *c);
enum command_status discovery_show(struct call *c);
enum command_status discovery_chap(struct call *c);

enum command_status session_list(struct call *c);
enum command_status session_drop(struct call *c);
enum command_status portal_list(struct call *c);
enum command_status portal_add(struct call *c);
enum command_status portal_remove(struct call *c);
enum command_status pool_list(struct call *c);
enum command_status pool_create(struct call *c);
enum command_status pool_import(struct call *c);
enum command_status pool_remove(struct call *c);
enum command_status job_list(struct call *c);
enum command_status job_show(struct call *c);
enum command_status job_watch(struct call *c);
enum command_status job_cancel(struct call *c);

enum command_status state_show(struct call *c);
enum command_status state_apply(struct call *c);
enum command_status server_metrics(struct call *c);
enum command_status server_top(struct call *c);
enum command_status server_version(struct call *c);
enum command_status pool_check(struct call *c);
