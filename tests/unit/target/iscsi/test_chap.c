/* CHAP's hash functions against published vectors and Python's hashlib; its two encodings. */
#include "target/iscsi/chap.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(s) ((struct chap_bytes){ (const uint8_t *)(s), strlen(s) })

static void assert_response(unsigned algorithm, uint8_t id, struct chap_bytes secret,
			    struct chap_bytes challenge, const char *hex)
{
	uint8_t out[CHAP_DIGEST_MAX + 1];
	char text[CHAP_TEXT_MAX + 1];

	memset(out, 0x5a, sizeof(out));
	assert_int_equal(chap_response(algorithm, id, secret, challenge, out), 0);
	chap_encode(out, chap_digest_bytes(algorithm), text);
	assert_memory_equal(text, "0x", 2);
	assert_string_equal(text + 2, hex);
	for (size_t i = chap_digest_bytes(algorithm); i < sizeof(out); i++)
		assert_int_equal(out[i], 0x5a);
}

/* Identifier, secret and challenge joined are the messages of FIPS 180, FIPS 202, RFC 1321. */
static void test_published_vectors(void **state)
{
	const char *rest = "cdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

	(void)state;
	assert_response(5, 'a', BYTES("b"), BYTES("c"), "900150983cd24fb0d6963f7d28e17f72");
	assert_response(6, 'a', BYTES("b"), BYTES("c"), "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_response(7, 'a', BYTES("b"), BYTES("c"),
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_response(8, 'a', BYTES("b"), BYTES("c"),
			"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532");
	assert_response(5, 'm', BYTES("essage "), BYTES("digest"),
			"f96b697d7cb7938d525a2f31aaf161d0");
	assert_response(6, 'a', BYTES("b"), BYTES(rest),
			"84983e441c3bd26ebaae4aa1f95129e5e54670f1");
	assert_response(7, 'a', BYTES("b"), BYTES(rest),
			"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_response(8, 'a', BYTES("b"), BYTES(rest),
			"41c0dba2a9d6240849100376a8235e2c82e1b9998a999e21db32dd97496d3376");
}

static void test_hashlib_vectors(void **state)
{
	static const struct {
		unsigned algorithm;
		const char *usual, *longest, *shortest;
	} rows[] = {
		{ 5, "71cc01b9499f5ec45750beb65ce389a8", "01b405100d806ed272e4e965b48cb132",
		  "ebfc7bd1773058a02233afbe58789688" },
		{ 6, "6f459d52fedaca46c46a3762d4fa5b9112f92f27",
		  "110803ad5ed19eb918b6adec2b62d6288ec1ee45",
		  "61a6b0114ec6c76da19e0509d297dd24a1cfd43e" },
		{ 7, "db61a61a0557b6e55c33f0138d39116f315c4125a77c49b90c7d300d20bfc704",
		  "34596bcb80dafd5850688979efb8948c2246114d1bb1c9d596d08faf359c7b91",
		  "ae61a9de0d3ecd778e10229488ad49cca98127da9e0ff7067245d287611771a5" },
		{ 8, "ce78154c33ebec938d45bd2931d55be9dc2a1be025b822681aaedc92b4f866f1",
		  "ba56b8055c799b705b2256b61dc87e704675bb5df8f79c9873f0ac67d44382ff",
		  "0ecb6bd5e67c9111e73d3137808812f13505843e31e10ef9a821e6edb911ffc6" },
	};
	uint8_t counting[32], secret[255], challenge[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(counting); i++)
		counting[i] = (uint8_t)i;
	memset(secret, 'x', sizeof(secret));
	memset(challenge, 0xa5, sizeof(challenge));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_response(rows[i].algorithm, 0x7f, BYTES("secret-of-16byte"),
				(struct chap_bytes){ counting, 32 }, rows[i].usual);
		assert_response(rows[i].algorithm, 255, (struct chap_bytes){ secret, 255 },
				(struct chap_bytes){ challenge, 1024 }, rows[i].longest);
		assert_response(rows[i].algorithm, 0, BYTES("s"),
				(struct chap_bytes){ (const uint8_t *)"", 1 }, rows[i].shortest);
	}
}

static void test_no_such_algorithm(void **state)
{
	uint8_t out[CHAP_DIGEST_MAX];

	(void)state;
	for (unsigned n = 0; n < 300; n++) {
		int rc;

		if (n >= 5 && n <= 8)
			continue;
		rc = chap_response(n, 1, BYTES("s"), BYTES("c"), out);
		assert_int_equal(rc, -EIO);
		assert_int_equal(chap_digest_bytes(n), 0);
	}
}

static void test_the_strongest_is_chosen(void **state)
{
	static const struct {
		const char *list;
		unsigned chosen;
	} rows[] = {
		{ "5", 5 },
		{ "6", 6 },
		{ "7", 7 },
		{ "8", 8 },
		{ "5,6,7,8", 8 },
		{ "8,7,6,5", 8 },
		{ "7,5", 7 },
		{ "5,7", 7 },
		{ "6,5", 6 },
		{ "5,9", 5 },
		{ "0x7,5", 7 },
		{ "5,,7", 7 },
		{ "99999999999999999999,5", 5 },
		{ "4294967301,6", 6 }, /* 2^32 + 5 */
		{ "", 0 },
		{ ",", 0 },
		{ "0", 0 },
		{ "9,10,55", 0 },
		{ "05", 0 },
		{ "-5", 0 },
		{ "5 ", 0 },
		{ "MD5", 0 },
		{ "5.6", 0 },
		{ "0000000000000000000005", 0 },
		{ "0x0000000000008ff", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(chap_choose(rows[i].list), rows[i].chosen);
}

/* Into a buffer of exactly @cap, so that ASan sees a byte too far. Returns the length. */
static int decode(const char *value, size_t cap, uint8_t *out)
{
	uint8_t *room = malloc(cap ? cap : 1);
	size_t len = 77777;
	int rc;

	assert_non_null(room);
	rc = chap_decode(value, room, cap, &len);
	if (!rc) {
		assert_true(len <= cap);
		memcpy(out, room, len);
	} else {
		assert_int_equal(len, 77777);
	}
	free(room);
	return rc ? rc : (int)len;
}

static void test_decode(void **state)
{
	static const struct {
		const char *value, *bytes;
	} rows[] = {
		/* RFC 4648 section 10 */
		{ "0bZg==", "f" },	  { "0bZm8=", "fo" },	     { "0bZm9v", "foo" },
		{ "0bZm9vYg==", "foob" }, { "0bZm9vYmE=", "fooba" }, { "0BZm9vYmFy", "foobar" },
		{ "0x66", "f" },	  { "0X666f6F", "foo" },     { "0b+/+/", "\xfb\xff\xbf" },
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = strlen(rows[i].bytes);

		assert_int_equal(decode(rows[i].value, len, out), len);
		assert_memory_equal(out, rows[i].bytes, len);
		assert_int_equal(decode(rows[i].value, len - 1, out), -E2BIG);
	}
	assert_int_equal(decode("0bAAAA", 3, out), 3);
	assert_memory_equal(out, "\0\0\0", 3);
}

static void test_decode_refuses(void **state)
{
	static const char *const rows[] = {
		"",
		"0",
		"0x",
		"0b",
		"x66",
		"66",
		"1x66",
		"0x6",
		"0x666",
		"0x6g",
		"0x-1",
		"0x 6",
		"0x66 ",
		"0d66",
		"0bZg",
		"0bZg=",
		"0bZ===",
		"0b====",
		"0b=",
		"0b==",
		"0bZg==Zg==",
		"0bZm9v=",
		"0bZh==",
		"0bZm9=",
		"0bZm9v\n",
		"0b Zg==",
		"0bZ*==",
		"0bZ-_=",
		"0bZg=A",
		"0bA=A=",
		"0bZg==\200AAA",
		"\xff",
	};
	uint8_t out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_message("%s\n", rows[i]);
		assert_int_equal(decode(rows[i], sizeof(out), out), -EINVAL);
	}
}

/* Each length, in hexadecimal and in base64, into just enough room and one less. */
static void test_decode_each_length(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t bytes[1026] = { 0 }, out[1026];
	char hex[2 + 2 * 1024 + 1], b64[2 + 1368 + 1];

	(void)state;
	for (size_t i = 0; i < 1024; i++)
		bytes[i] = (uint8_t)(i * 37 + i / 256);
	for (size_t len = 1; len <= 1024; len++) {
		char *b = b64;

		strcpy(hex, "0x");
		for (size_t i = 0; i < len; i++)
			sprintf(hex + 2 + 2 * i, "%02X", bytes[i]);
		b += sprintf(b, "0b");
		for (size_t i = 0; i < len; i += 3) {
			uint8_t x = bytes[i], y = i + 1 < len ? bytes[i + 1] : 0;
			uint8_t z = i + 2 < len ? bytes[i + 2] : 0;

			*b++ = digits[x >> 2];
			*b++ = digits[(x & 3) << 4 | y >> 4];
			*b++ = i + 1 < len ? digits[(y & 15) << 2 | z >> 6] : '=';
			*b++ = i + 2 < len ? digits[z & 63] : '=';
		}
		*b = '\0';
		assert_int_equal(decode(hex, len, out), len);
		assert_memory_equal(out, bytes, len);
		assert_int_equal(decode(b64, len, out), len);
		assert_memory_equal(out, bytes, len);
		assert_int_equal(decode(hex, len - 1, out), -E2BIG);
		assert_int_equal(decode(b64, len - 1, out), -E2BIG);
	}
}

/* Where only FIPS's are let, by a library that has none: nothing is offered, nothing crashes. */
static void test_algorithms_that_are_switched_off(void **state)
{
	uint8_t out[CHAP_DIGEST_MAX];

	(void)state;
	assert_int_equal(EVP_set_default_properties(NULL, "fips=yes"), 1);
	assert_int_equal(chap_choose("5,6,7,8"), CHAP_NONE);
	assert_int_equal(chap_response(CHAP_MD5, 1, BYTES("s"), BYTES("c"), out), -EIO);
	assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
	assert_int_equal(chap_choose("5,6,7,8"), CHAP_SHA3_256);
	assert_int_equal(chap_choose("5"), CHAP_MD5);
}

static void test_random(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_int_equal(chap_random(a, sizeof(a)), 0);
	assert_int_equal(chap_random(b, sizeof(b)), 0);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published_vectors),
		cmocka_unit_test(test_hashlib_vectors),
		cmocka_unit_test(test_no_such_algorithm),
		cmocka_unit_test(test_the_strongest_is_chosen),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_refuses),
		cmocka_unit_test(test_decode_each_length),
		cmocka_unit_test(test_algorithms_that_are_switched_off),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
