/* The table of the API: what openapi.json describes, in its order. */
#include "target/control/op.h"

const struct api_route api_routes[] = {
	{ "GET", "/v1", "getServer", 0, server_show, NULL },
	{ "GET", "/v1/openapi.json", "getOpenapi", 0, api_show_openapi, NULL },

	{ "GET", "/v1/volumes", "listVolumes", API_SLOW, volumes_list, NULL },
	{ "POST", "/v1/volumes", "createVolume", API_SLOW | API_BODY, volumes_create, "wait" },
	{ "GET", "/v1/volumes/{volume}", "getVolume", API_SLOW, volumes_show, NULL },
	{ "PATCH", "/v1/volumes/{volume}", "growVolume", API_SLOW | API_BODY, volumes_grow,
	  "wait" },
	{ "DELETE", "/v1/volumes/{volume}", "deleteVolume", API_SLOW, volumes_delete,
	  "force wait" },
	{ "POST", "/v1/volumes/{volume}/expose", "exposeVolume", API_SLOW | API_BODY,
	  volumes_expose, "wait" },
	{ "POST", "/v1/volumes/{volume}/unexpose", "unexposeVolume", API_SLOW | API_BODY,
	  volumes_unexpose, "force wait" },
	{ "POST", "/v1/volumes/{volume}/recover", "recoverVolume", API_SLOW, volumes_recover,
	  "wait" },

	{ "GET", "/v1/targets", "listTargets", API_SLOW, targets_list, NULL },
	{ "POST", "/v1/targets", "createTarget", API_SLOW | API_BODY, targets_create, "wait" },
	{ "GET", "/v1/targets/{target}", "getTarget", API_SLOW, targets_show, NULL },
	{ "PATCH", "/v1/targets/{target}", "changeTarget", API_SLOW | API_BODY, targets_change,
	  "wait" },
	{ "DELETE", "/v1/targets/{target}", "deleteTarget", API_SLOW, targets_delete,
	  "force wait" },
	{ "POST", "/v1/targets/{target}/allow", "allowInitiator", API_SLOW | API_BODY,
	  targets_allow, "wait" },
	{ "POST", "/v1/targets/{target}/deny", "denyInitiator", API_SLOW | API_BODY, targets_deny,
	  "drop wait" },
	{ "PUT", "/v1/targets/{target}/chap", "setTargetChap", API_SLOW | API_BODY,
	  targets_set_chap, "wait" },
	{ "DELETE", "/v1/targets/{target}/chap", "clearTargetChap", API_SLOW, targets_clear_chap,
	  "wait" },

	{ "GET", "/v1/discovery/chap", "getDiscoveryChap", 0, discovery_show, NULL },
	{ "PUT", "/v1/discovery/chap", "setDiscoveryChap", API_SLOW | API_BODY, discovery_set,
	  "wait" },
	{ "DELETE", "/v1/discovery/chap", "clearDiscoveryChap", API_SLOW, discovery_clear, "wait" },

	{ "GET", "/v1/sessions", "listSessions", API_SLOW, sessions_list, "target" },
	{ "DELETE", "/v1/sessions/{session}", "dropSession", API_SLOW, sessions_drop, "ask" },

	{ "GET", "/v1/portals", "listPortals", 0, portals_api_list, NULL },
	{ "POST", "/v1/portals", "addPortal", API_SLOW | API_BODY, portals_api_add, "wait" },
	{ "DELETE", "/v1/portals/{address}", "removePortal", API_SLOW, portals_api_remove, "wait" },

	{ "GET", "/v1/pools", "listPools", 0, pools_list, NULL },
	{ "POST", "/v1/pools", "createPool", API_SLOW | API_BODY, pools_create, "wait" },
	{ "DELETE", "/v1/pools/{pool}", "removePool", API_SLOW, pools_remove, "wait" },

	{ "GET", "/v1/jobs", "listJobs", 0, jobs_list, NULL },
	{ "GET", "/v1/jobs/{job}", "getJob", API_SLOW, jobs_show, "wait" },
	{ "DELETE", "/v1/jobs/{job}", "cancelJob", 0, jobs_cancel, NULL },

	{ "GET", "/v1/state", "getState", API_SLOW, state_show, NULL },
	{ "PUT", "/v1/state", "applyState", API_SLOW | API_BODY, state_apply,
	  "dry_run delete_volumes wait" },

	{ "GET", "/v1/stats", "getStats", API_SLOW, stats_show, NULL },
	{ "GET", "/metrics", "getMetrics", API_SLOW, metrics_show, NULL },
	{ 0 },
};
