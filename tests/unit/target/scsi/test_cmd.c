/* What every command passes: LUN, unit attention, operation code, reserved bits. */
#include "tests/unit/target/scsi/scsi_rig.h"

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

/* --- the table --------------------------------------------------------------------- */

/* Every operation there is, service actions too. */
static void for_each_op(void (*f)(struct rig *r, const struct scsi_op *op, uint8_t opcode),
			struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++) {
		const struct scsi_op *row = &scsi_ops[i];

		if (row->name) {
			f(r, row, (uint8_t)i);
			n++;
		}
		for (unsigned j = 0; j < row->nactions; j++, n++)
			f(r, &row->actions[j], (uint8_t)i);
	}
	assert_true(n >= 25);
}

static void check_row(struct rig *r, const struct scsi_op *op, uint8_t opcode)
{
	static const uint8_t by_group[8] = { 6, 10, 10, 0, 16, 12, 0, 0 }; /* SPC-4 4.3.2 */

	(void)r;
	assert_int_equal(op->cdb_bytes, by_group[opcode >> 5]);
	assert_int_equal(op->usage[0], opcode);
	assert_int_equal(op->usage[op->cdb_bytes - 1], 0); /* control: NACA is refused */
	for (unsigned i = op->cdb_bytes; i < 16; i++)
		assert_int_equal(op->usage[i], 0);
	assert_true(op->alloc_at + op->alloc_bytes < op->cdb_bytes);
	if (op->action)
		assert_int_equal(op->usage[1] & 0x1f, 0x1f);
	assert_false(op->build && op->step);
	/* where there is no unit, nothing of a unit may be looked at */
	if (op->flags & OP_ANY_LUN)
		assert_false(op->flags & (OP_MEDIUM | OP_WRITES | OP_RANGE) ||
			     (op->check && op->check != scsi_check_report_luns) || op->step);
	if (op->flags & OP_RANGE)
		assert_true(op->begin && op->step); /* no blocks: no request */
	if (op->flags & OP_WRITES)
		assert_true(op->flags & OP_RANGE); /* or its zombie would not be fenced */
	for (unsigned i = 0; i < op->alloc_bytes; i++)
		assert_int_equal(op->usage[op->alloc_at + i], 0xff);
}

static void rows_are_sound(void **state)
{
	for_each_op(check_row, *state);
}

static void check_reserved(struct rig *r, const struct scsi_op *op, uint8_t opcode)
{
	struct rig_cmd c;

	for (unsigned byte = 1; byte < op->cdb_bytes; byte++)
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t cdb[16] = { opcode, op->action };

			if (op->usage[byte] & 1 << bit)
				continue;
			cdb[byte] |= (uint8_t)(1 << bit);
			rig_start(r, &c, 0, cdb, 16, 0, 0);
			rig_expect_cdb_field(&c, byte, bit);
			assert_int_equal(c.cmd.transfer_bytes, 0);
			/* of several, the first byte's highest */
			cdb[byte] |= (uint8_t)~op->usage[byte];
			cdb[op->cdb_bytes - 1] = 0xff;
			rig_start(r, &c, 0, cdb, 16, 0, 0);
			assert_int_equal(get_be16(c.cmd.sense + 16), byte);
		}
}

static void reserved_bits_are_refused(void **state)
{
	for_each_op(check_reserved, *state);
}

static void protection_is_refused(void **state)
{
	static const uint8_t ops[] = { 0x28, 0x2a, 0xa8, 0xaa, 0x88, 0x8a, 0x41,
				       0x93, 0x2e, 0x2f, 0xae, 0xaf, 0x8e, 0x8f };
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		for (unsigned p = 1; p < 8; p++) {
			uint8_t cdb[16] = { ops[i], (uint8_t)(p << 5) };

			rig_start(*state, &c, 0, cdb, 16, 512, 0);
			rig_expect_cdb_field(&c, 1, 5 + (p >= 4 ? 2 : p >= 2 ? 1 : 0));
		}
}

static void unknown_opcodes(void **state)
{
	struct rig_cmd c;

	for (unsigned i = 0; i < 256; i++) {
		uint8_t cdb[16] = { (uint8_t)i };

		if (scsi_ops[i].name || scsi_ops[i].nactions)
			continue;
		rig_start(*state, &c, 0, cdb, 16, 0, 0);
		rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	}
	for (unsigned action = 0; action < 32; action++) {
		uint8_t cdb[16] = { 0x9e, (uint8_t)action };

		if (action != 0x10 && action != 0x12) {
			rig_start(*state, &c, 0, cdb, 16, 0, 0);
			rig_expect_cdb_field(&c, 1, 4);
		}
	}
}

/* --- LUNs ----------------------------------------------------------------------------- */

static void start_on_lun(struct rig *r, struct rig_cmd *c, const uint8_t lun[8], const uint8_t *cdb,
			 size_t len)
{
	memset(c, 0, sizeof(*c));
	c->cmd.nexus = r->nexus;
	c->cmd.io = &r->io[0].io;
	c->cmd.pool = r->pool;
	c->cmd.busy = &r->busy[0];
	c->cmd.done = rig_done;
	c->cmd.in_room = 4096;
	memcpy(c->cmd.cdb, cdb, len);
	memcpy(c->cmd.lun, lun, 8);
	c->next = scsi_cmd_start(&c->cmd);
	if (c->next == SCSI_ENDED) {
		c->done = true;
		return;
	}
	rig_run(c, NULL);
	rig_finish(r, c);
}

static void lun_addressing(void **state)
{
	static const struct {
		uint8_t lun[8];
		bool there;
	} t[] = {
		{ { 0, 0 }, true },	{ { 0x40, 0 }, true },	{ { 0, 1 }, false },
		{ { 0x40, 1 }, false }, { { 1, 0 }, false },	{ { 0x7f, 0xff }, false },
		{ { 0x80, 0 }, false }, { { 0xc1, 0 }, false }, { { 0, 0, 0, 1 }, false },
		{ { [7] = 1 }, false }, { { 0, 255 }, false },	{ { 0x41, 0 }, false },
	};
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct scsi_lu *lu = scsi_nexus_lu(r->nexus, t[i].lun);

		assert_ptr_equal(lu, t[i].there ? r->lu : NULL);
		start_on_lun(r, &c, t[i].lun, CDB(0));
		assert_ptr_equal(c.cmd.lu, lu);
		assert_int_equal(scsi_cmd_is_on(&c.cmd, r->lu), t[i].there);
		if (t[i].there)
			rig_expect_good(&c);
		else
			rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
		rig_free(&c);
	}
}

/* Either form below 256, flat space from there on (SAM-5 4.7). */
static void high_lun_numbers(void **state)
{
	static const struct {
		uint8_t lun[8];
		unsigned which; /* of the units below; 0: none */
	} t[] = {
		{ { 0x00, 7 }, 1 },	     { { 0x40, 7 }, 1 },    { { 0x00, 255 }, 2 },
		{ { 0x40, 255 }, 2 },	     { { 0x41, 0 }, 3 },    { { 0x01, 0 }, 0 },
		{ { 0x7f, 0xff }, 4 },	     { { 0x3f, 0xff }, 0 }, { { 0x7f, 0xfe }, 0 },
		{ { 0xc1, 0 }, 0 },	     { { 0x81, 0 }, 0 },    { { 0, 0 }, 0 },
		{ { 0x40, 7, 0, 0, 1 }, 0 }, { { 0x47, 0 }, 0 },
	};
	static const unsigned numbers[] = { 7, 255, 256, 16383 };
	struct scsi_lu *lus[ARRAY_SIZE(numbers)];
	struct rig units[ARRAY_SIZE(numbers)];
	struct scsi_nexus *n;
	struct scsi_target *target;

	(void)state;
	assert_int_equal(scsi_target_new(&target), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		rig_open(&units[i], NULL);
		lus[i] = units[i].lu;
		assert_int_equal(scsi_target_add(target, numbers[i], lus[i]), 0);
	}
	assert_int_equal(scsi_nexus_new(&n, target), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		assert_ptr_equal(scsi_nexus_lu(n, t[i].lun),
				 t[i].which ? lus[t[i].which - 1] : NULL);
	scsi_nexus_free(n);
	scsi_target_free(target);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
		rig_shut(&units[i]);
}

static void no_unit_still_answers_some(void **state)
{
	static const uint8_t nowhere[8] = { 0, 9 };
	struct rig *r = *state;
	struct rig_cmd c;

	start_on_lun(r, &c, nowhere, CDB(0x12, 0, 0, 0, 96));
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 96);
	assert_int_equal(c.buf[0], 0x7f);
	rig_free(&c);
	start_on_lun(r, &c, nowhere, CDB(0x12, 1, 0, 0, 96));
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
	start_on_lun(r, &c, nowhere, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64));
	rig_expect_good(&c);
	assert_int_equal(c.cmd.in_bytes, 16);
	rig_free(&c);
	start_on_lun(r, &c, nowhere, CDB(0x03, 0, 0, 0, 18));
	rig_expect_good(&c);
	assert_int_equal(c.buf[2], KEY_ILLEGAL_REQUEST);
	assert_int_equal(get_be16(c.buf + 12), ASC_NO_SUCH_LUN);
	rig_free(&c);
	start_on_lun(r, &c, nowhere, CDB(0xff));
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
	start_on_lun(r, &c, nowhere, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
	start_on_lun(r, &c, nowhere, CDB(0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 64));
	rig_expect_sense(&c, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
}

/* --- unit attentions --------------------------------------------------------------------- */

static void tur(struct rig *r, struct rig_cmd *c, struct scsi_nexus *n)
{
	struct scsi_nexus *was = r->nexus;

	r->nexus = n;
	rig_do(r, c, CDB(0x00), NULL, 0, 0);
	rig_free(c);
	r->nexus = was;
}

static void attentions_by_priority(void **state)
{
	static const unsigned order[] = { 0x2900, 0x2903, 0x2907, 0x2f00, 0x2a09, 0x2a01, 0x3f0e };
	struct rig *r = *state;
	struct rig_cmd c;

	for (unsigned ua = SCSI_UA_LUNS_CHANGED; ua; ua >>= 1)
		scsi_lu_attention(r->lu, ua, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		tur(r, &c, r->nexus);
		rig_expect_sense(&c, KEY_UNIT_ATTENTION, order[i]);
	}
	tur(r, &c, r->nexus);
	rig_expect_good(&c);
	tur(r, &c, r->other); /* each nexus has its own */
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2900);
}

/* What QUERY ASYNCHRONOUS EVENT tells; and the attentions of a target and of one nexus. */
static void attentions_are_told_and_stay(void **state)
{
	const uint8_t lun0[8] = { 0 }, nowhere[8] = { 0, 99 };
	struct rig *r = *state;
	uint8_t info[3] = { 0 };
	struct rig_cmd c;

	tur(r, &c, r->other); /* power on */
	assert_false(scsi_nexus_event(r->nexus, lun0, info));
	assert_false(scsi_nexus_event(r->nexus, nowhere, info));
	scsi_nexus_attention(r->nexus, r->lu, SCSI_UA_COMMANDS_CLEARED);
	assert_false(scsi_nexus_event(r->other, lun0, info));
	assert_true(scsi_nexus_event(r->nexus, lun0, info));
	assert_memory_equal(info, ((const uint8_t[]){ 0x16, 0x2f, 0x00 }), 3);
	scsi_nexus_attention(r->nexus, NULL, SCSI_UA_NEXUS_LOST);
	scsi_target_attention(r->target, SCSI_UA_LU_RESET);
	assert_true(scsi_nexus_event(r->nexus, lun0, info));
	assert_memory_equal(info, ((const uint8_t[]){ 0x26, 0x29, 0x03 }), 3);
	assert_true(scsi_nexus_event(r->other, lun0, info));
	assert_memory_equal(info, ((const uint8_t[]){ 0x16, 0x29, 0x03 }), 3);
	assert_true(scsi_target_has(r->target, r->lu));
	assert_false(scsi_target_has(r->target, NULL));
	tur(r, &c, r->nexus);
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2903);
}

/* A unit of one target, then of two. */
static void targets_know_their_units(void **state)
{
	struct rig *r = *state;
	struct scsi_target *second, *third;

	assert_int_equal(scsi_target_new(&second), 0);
	assert_int_equal(scsi_target_new(&third), 0);
	for (unsigned has = 0; has < 2; has++) {
		assert_true(scsi_target_has(r->target, r->lu));
		assert_int_equal(scsi_target_has(second, r->lu), has);
		assert_false(scsi_target_has(third, r->lu));
		if (!has)
			assert_int_equal(scsi_target_add(second, 7, r->lu), 0);
	}
	scsi_target_free(second);
	scsi_target_free(third);
}

static void attention_spares_one(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	scsi_lu_attention(r->lu, SCSI_UA_COMMANDS_CLEARED, r->nexus);
	tur(r, &c, r->nexus);
	rig_expect_good(&c);
	tur(r, &c, r->other);
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2f00);
}

static void new_nexus_has_power_on(void **state)
{
	struct rig *r = *state;
	struct scsi_nexus *n;
	struct rig_cmd c;

	assert_int_equal(scsi_nexus_new(&n, r->target), 0);
	tur(r, &c, n);
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2900);
	tur(r, &c, n);
	rig_expect_good(&c);
	tur(r, &c, r->nexus);
	rig_expect_good(&c);
	scsi_nexus_free(n);
	scsi_lu_attention(r->lu, SCSI_UA_CAPACITY, NULL); /* the freed one is not in the list */
}

/* SPC-4 5.14: INQUIRY, REPORT LUNS and REQUEST SENSE run; the first two leave it pending. */
static void attention_does_not_stop_some(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	scsi_lu_attention(r->lu, SCSI_UA_LU_RESET | SCSI_UA_LUNS_CHANGED, NULL);
	rig_do(r, &c, CDB(0x12, 0, 0, 0, 96), NULL, 0, 96);
	rig_expect_good(&c);
	rig_free(&c);
	rig_do(r, &c, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), NULL, 0, 64);
	rig_expect_good(&c);
	rig_free(&c);
	/* before what is wrong with the command */
	rig_do(r, &c, CDB(0xff), NULL, 0, 0);
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2903);
	/* REPORT LUNS has cleared the other one */
	rig_do(r, &c, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), NULL, 0, 512);
	rig_expect_good(&c);
	rig_free(&c);
}

static void each_lun_has_its_own(void **state)
{
	static const uint8_t lun5[8] = { 0, 5 };
	struct rig *r = *state, other;
	struct scsi_target *t;
	struct scsi_nexus *n, *was = r->nexus;
	struct rig_cmd c;

	rig_open(&other, NULL);
	assert_int_equal(scsi_target_new(&t), 0);
	assert_int_equal(scsi_target_add(t, 0, r->lu), 0);
	assert_int_equal(scsi_target_add(t, 5, other.lu), 0);
	assert_int_equal(scsi_nexus_new(&n, t), 0);
	r->nexus = n;
	scsi_nexus_clear_ua(n, ~0u);
	scsi_lu_attention(other.lu, SCSI_UA_CAPACITY, NULL);
	rig_do(r, &c, CDB(0x00), NULL, 0, 0);
	rig_expect_good(&c);
	rig_free(&c);
	start_on_lun(r, &c, lun5, CDB(0x00));
	rig_expect_sense(&c, KEY_UNIT_ATTENTION, 0x2a09);
	r->nexus = was;
	scsi_nexus_free(n);
	scsi_target_free(t);
	rig_shut(&other);
}

/* --- the rest ----------------------------------------------------------------------------------
 */

static void unit_wants_a_sound_backstore(void **state)
{
	struct rig *r = *state;
	struct rig_bs bad = { .bs = r->bs.bs };
	struct scsi_lu_config cfg = { .name = "x", .bs = &bad.bs, .reactors = 1 };
	struct scsi_lu *lu;

	bad.bs.block_bytes = 1024;
	assert_int_equal(scsi_lu_new(&lu, &cfg), -EINVAL);
	bad.bs.block_bytes = 4096;
	bad.bs.size_bytes = 512;
	assert_int_equal(scsi_lu_new(&lu, &cfg), -EINVAL);
	assert_string_equal(scsi_lu_name(r->lu), "vol");
	assert_ptr_equal(scsi_lu_backstore(r->lu), &r->bs.bs);
}

static void transport_fails_a_command(void **state)
{
	struct rig_cmd c;

	rig_start(*state, &c, 0, CDB(0x00), 0, 0);
	scsi_cmd_fail(&c.cmd, KEY_ABORTED_COMMAND, 0x47, 0x05);
	c.done = true;
	rig_expect_sense(&c, KEY_ABORTED_COMMAND, 0x4705);
}

/* Any CDB, any lengths: always a status, within the room, nothing out of range (the rig
 * checks each request). */
static void any_cdb_ends(void **state)
{
	struct rig *r = *state;
	uint64_t x = 0x9e3779b97f4a7c15;
	uint8_t *data = malloc(1 << 20);

	memset(data, 0x5a, 1 << 20);
	for (unsigned i = 0; i < 100000; i++) {
		uint8_t cdb[16];
		uint32_t out, in;
		struct rig_cmd c;

		for (unsigned j = 0; j < 16; j++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* mostly zeros: they get further */
			cdb[j] = x & 0xf00 ? 0 : (uint8_t)(x >> 16);
		}
		cdb[0] = (uint8_t)(x >> 24);
		if (cdb[0] == 0x9e || cdb[0] == 0xa3)
			cdb[1] = cdb[0] == 0x9e ? 0x10 : 0x0c;
		out = x & 1 ? (uint32_t)(x >> 32) % (64 << 10) : 0;
		in = x & 2 ? (uint32_t)(x >> 40) % (64 << 10) : 0;
		data[1] = data[3] = (uint8_t)(x >> 8);
		rig_do(r, &c, cdb, 16, data, out, in);
		assert_true(c.done);
		assert_true(c.cmd.in_bytes <= in);
		assert_true(c.cmd.status == SCSI_GOOD || c.cmd.sense_len == 18);
		rig_free(&c);
		if (atomic_load(&r->lu->stopped))
			atomic_store(&r->lu->stopped, false);
	}
	free(data);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rows_are_sound),
		T(reserved_bits_are_refused),
		T(protection_is_refused),
		T(unknown_opcodes),
		T(lun_addressing),
		cmocka_unit_test(high_lun_numbers),
		T(no_unit_still_answers_some),
		T(attentions_by_priority),
		T(attentions_are_told_and_stay),
		T(targets_know_their_units),
		T(attention_spares_one),
		T(new_nexus_has_power_on),
		T(attention_does_not_stop_some),
		T(each_lun_has_its_own),
		T(unit_wants_a_sound_backstore),
		T(transport_fails_a_command),
		T(any_cdb_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
