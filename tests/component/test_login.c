/* Logging in, finding targets, pinging, logging out: all that is not SCSI. */
#include "tests/fakes/server_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

static void open_rig(struct rig *g, struct ini *i)
{
	struct rig_config cfg = { .seed = 11, .volumes = 3 };
	struct sockaddr_in *in;

	rig_init(g, &cfg);
	in = (struct sockaddr_in *)&g->node.portals[0].addr;
	in->sin_family = AF_INET;
	in->sin_port = htons(3260);
	in->sin_addr.s_addr = htonl(0xc0000207);
	g->node.nportals = 1;
	ini_init(i, g->w, HOST, 1);
}

static void log_in(struct rig *g, struct ini *i, const char *target)
{
	rig_connect(g, i, 0);
	ini_login(i, target);
	assert_true(RIG_WAIT(g, i->state != INI_LOGIN, SOON));
	assert_int_equal(i->state, INI_FULL);
}

static void close_rig(struct rig *g, struct ini *i)
{
	assert_string_equal(i->broken, "");
	rig_fini(g);
}

/* All pieces of the answer to one Text Request. */
static void ask(struct rig *g, struct ini *i, const char *text, size_t len)
{
	unsigned before = i->texts;

	i->text_len = 0;
	ini_text(i, text, len, ISCSI_NO_TAG);
	assert_true(RIG_WAIT(g, i->texts > before, SOON));
	while (i->text_ttt != ISCSI_NO_TAG) {
		before = i->texts;
		ini_text(i, NULL, 0, i->text_ttt);
		assert_true(RIG_WAIT(g, i->texts > before, SOON));
	}
}

static void discovery_lists_all_targets(void **state)
{
	static const char expected[] = "TargetName=iqn.2026-11.io.ringlun:v0\0"
				       "TargetAddress=192.0.2.7:3260,1\0"
				       "TargetName=iqn.2026-11.io.ringlun:v1\0"
				       "TargetAddress=192.0.2.7:3260,1\0"
				       "TargetName=iqn.2026-11.io.ringlun:v2\0"
				       "TargetAddress=192.0.2.7:3260,1";
	struct rig g;
	struct ini i;

	(void)state;
	for (unsigned stages = 0; stages < 2; stages++) {
		open_rig(&g, &i);
		i.security_stage = stages;
		log_in(&g, &i, NULL);
		ask(&g, &i, "SendTargets=All", 16);
		assert_int_equal(i.text_len, sizeof(expected));
		assert_memory_equal(i.text, expected, sizeof(expected));
		ask(&g, &i, "SendTargets=iqn.2026-11.io.ringlun:v1", 38);
		assert_int_equal(i.text_len, 37 + 31);
		assert_memory_equal(i.text, expected + 37 + 31, 37 + 31);
		ask(&g, &i, "SendTargets=iqn.2026-11.io.ringlun:v9", 38);
		assert_int_equal(i.text_len, 0);
		close_rig(&g, &i);
	}
}

static char many_names[200][ISCSI_NAME_BYTES];

static void a_long_list_comes_in_pieces(void **state)
{
	char why[256];
	struct rig g;
	struct ini i;
	unsigned found = 0;

	(void)state;
	open_rig(&g, &i);
	for (unsigned n = 0; n < 200; n++) {
		memset(many_names[n], 'x', 200);
		memcpy(many_names[n], "iqn.2026-11.io.ringlun:", 23);
		many_names[n][100] = (char)('a' + n % 26);
		many_names[n][101] = (char)('a' + n / 26);
		assert_int_equal(
			iscsi_node_add_target(&g.node, many_names[n], NULL, why, sizeof(why)), 0);
	}
	i.offer.MaxRecvDataSegmentLength = 512;
	log_in(&g, &i, NULL);
	ask(&g, &i, "SendTargets=All", 16);
	assert_true(i.texts > 40);
	for (size_t at = 0; at < i.text_len; at += strlen(i.text + at) + 1)
		found += !strncmp(i.text + at, "TargetName=", 11);
	assert_int_equal(found, 203);
	close_rig(&g, &i);
}

static void in_a_session_one_sees_its_target(void **state)
{
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	log_in(&g, &i, rig_target(&g, 1));
	ask(&g, &i, "SendTargets=", 13);
	assert_memory_equal(i.text, "TargetName=iqn.2026-11.io.ringlun:v1", 37);
	assert_int_equal(i.text_len, 37 + 31);
	ask(&g, &i, "SendTargets=All", 16);
	assert_string_equal(i.text, "SendTargets=Reject");
	close_rig(&g, &i);
}

static void a_discovery_session_has_no_disks(void **state)
{
	struct rig g;
	struct ini i;
	struct ini_cmd c;

	(void)state;
	open_rig(&g, &i);
	log_in(&g, &i, NULL);
	cmd_test_unit_ready(&c);
	ini_submit(&i, &c);
	assert_true(RIG_WAIT(&g, i.closed, 5 * RIG_S));
	assert_int_equal(i.rejects, 1);
	close_rig(&g, &i);
}

static void what_is_agreed_is_the_less(void **state)
{
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	i.offer = (struct ini_offer){
		.ImmediateData = false,
		.InitialR2T = true,
		.FirstBurstLength = 1024,
		.MaxBurstLength = 2048,
		.MaxRecvDataSegmentLength = 4096,
		.MaxOutstandingR2T = 1,
	};
	log_in(&g, &i, rig_target(&g, 0));
	assert_int_equal(i.max_burst, 2048);
	assert_false(i.immediate_data);
	assert_true(i.initial_r2t);
	assert_int_equal(i.target_segment, g.node.offer.MaxRecvDataSegmentLength);
	ini_close(&i);
	i.offer.MaxBurstLength = i.offer.FirstBurstLength = (1 << 24) - 1;
	i.offer.ImmediateData = true;
	i.offer.InitialR2T = false;
	log_in(&g, &i, rig_target(&g, 0));
	assert_int_equal(i.max_burst, g.node.offer.MaxBurstLength);
	assert_int_equal(i.first_burst, g.node.offer.FirstBurstLength);
	assert_true(i.immediate_data);
	assert_false(i.initial_r2t);
	close_rig(&g, &i);
}

static void a_ping_comes_back_with_its_data(void **state)
{
	struct rig g;
	struct ini i;
	uint8_t data[255];

	(void)state;
	open_rig(&g, &i);
	log_in(&g, &i, rig_target(&g, 0));
	for (unsigned n = 0; n < sizeof(data); n++)
		data[n] = (uint8_t)(n * 3);
	for (unsigned n = 0; n < 40; n++) {
		ini_nop(&i, n % 2, data, n * 6);
		assert_true(RIG_WAIT(&g, i.nops == n + 1, SOON));
		assert_int_equal(i.nop_data_len, n * 6);
		assert_memory_equal(i.nop_data, data, n * 6);
	}
	close_rig(&g, &i);
}

static void logout_is_the_last_word(void **state)
{
	struct rig g;
	struct ini i;
	uint8_t data[512] = { 'x' }, back[512];
	struct ini_cmd c;

	(void)state;
	open_rig(&g, &i);
	assert_true(rig_login(&g, &i, 0, 0));
	ini_logout(&i);
	i.logged_out = false;
	cmd_write(&c, 9, 1, data, false); /* sent behind it */
	ini_submit(&i, &c);
	assert_true(RIG_WAIT(&g, i.closed, 5 * RIG_S));
	assert_true(i.logged_out);
	assert_int_equal(c.state, INI_CMD_LOST);
	fake_file_peek(g.v[0].file, 9 * 512, back, sizeof(back));
	assert_int_equal(back[0], 0);
	close_rig(&g, &i);
}

/* What does not begin with a login, or begins another one, ends. */
static void logins_in_the_wrong_place(void **state)
{
	struct bhs_login_req login = { .opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE, .flags = 0x87 };
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	rig_connect(&g, &i, 0);
	ini_nop(&i, true, NULL, 0);
	assert_true(RIG_WAIT(&g, i.closed, SOON));
	assert_int_equal(i.nops, 0);
	log_in(&g, &i, rig_target(&g, 0));
	ini_send_pdu(&i, &login, NULL, 0);
	assert_true(RIG_WAIT(&g, i.closed, 5 * RIG_S));
	assert_int_equal(i.rejects, 1);
	rig_connect(&g, &i, 0);
	i.state = INI_LOGIN;
	login.version_min = 1;
	ini_send_pdu(&i, &login, NULL, 0);
	assert_true(RIG_WAIT(&g, i.state == INI_REFUSED, SOON));
	assert_int_equal(i.login_status, ISCSI_LOGIN_BAD_VERSION);
	rig_connect(&g, &i, 0);
	i.state = INI_LOGIN;
	login.version_min = 0;
	login.tsih = be16_of(7);
	ini_send_pdu(&i, &login, NULL, 0);
	assert_true(RIG_WAIT(&g, i.state == INI_REFUSED, SOON));
	assert_int_equal(i.login_status, ISCSI_LOGIN_NO_SESSION);
	close_rig(&g, &i);
}

/* Text in pieces of one byte (C bit), and a login that never ends. */
static void login_text_in_pieces(void **state)
{
	static const char text[] = "InitiatorName=" HOST "\0SessionType=Normal\0"
				   "TargetName=iqn.2026-11.io.ringlun:v0";
	struct bhs_login_req login = { .opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE };
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	rig_connect(&g, &i, 0);
	i.state = INI_LOGIN;
	for (size_t at = 0; at < sizeof(text); at += 7) {
		size_t n = MIN(sizeof(text) - at, 7);
		bool last = at + n == sizeof(text);

		login.flags = last ? 0x87 : 0x44;
		ini_send_pdu(&i, &login, text + at, (uint32_t)n);
		rig_pass(&g, 5 * RIG_MS);
		if (!last) /* "the target stays in stage 1" is what it should do */
			i.broken[0] = '\0';
	}
	assert_true(RIG_WAIT(&g, i.state == INI_FULL, SOON));
	assert_string_equal(i.broken, "");
	rig_connect(&g, &i, 0);
	i.state = INI_LOGIN;
	login.flags = 0x44;
	for (unsigned n = 0; n < 100 && !i.closed && i.state == INI_LOGIN; n++) {
		ini_send_pdu(&i, &login, "InitiatorAlias=", 15);
		rig_pass(&g, 5 * RIG_MS);
		i.broken[0] = '\0';
	}
	assert_int_equal(i.state, INI_REFUSED);
	close_rig(&g, &i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(discovery_lists_all_targets),
		cmocka_unit_test(a_long_list_comes_in_pieces),
		cmocka_unit_test(in_a_session_one_sees_its_target),
		cmocka_unit_test(a_discovery_session_has_no_disks),
		cmocka_unit_test(what_is_agreed_is_the_less),
		cmocka_unit_test(a_ping_comes_back_with_its_data),
		cmocka_unit_test(logout_is_the_last_word),
		cmocka_unit_test(logins_in_the_wrong_place),
		cmocka_unit_test(login_text_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
