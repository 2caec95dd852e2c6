/* CHAP (RFC 1994, RFC 7143 12.1.3): its hash functions, and binary values as text.
 *
 * Pure but for chap_random; who has to prove what, and when, is security.h's. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CHAP_A, as registered with IANA; the stronger, the higher. */
enum chap_algorithm {
	CHAP_NONE = 0,
	CHAP_MD5 = 5,
	CHAP_SHA1 = 6,
	CHAP_SHA256 = 7,
	CHAP_SHA3_256 = 8,
};

enum {
	CHAP_DIGEST_MAX = 32,
	CHAP_BINARY_MAX = 1024, /* bytes of a challenge or response (12.1.3) */
	CHAP_TEXT_MAX = 2 + 2 * CHAP_DIGEST_MAX,
};

/* The strongest of a CHAP_A list that this machine can do (MD5 may be switched off); what is no
 * number in it is nobody's algorithm. CHAP_NONE: there is none. */
enum chap_algorithm chap_choose(const char *list);
/* How many bytes it makes. */
size_t chap_digest_bytes(enum chap_algorithm algorithm);

struct chap_bytes {
	const uint8_t *at;
	size_t len;
};

const char *chap_name(enum chap_algorithm algorithm);

/* The hash of identifier, secret, challenge: chap_digest_bytes into @out. -EIO: the library fails,
 * or does not have the algorithm. */
int chap_response(enum chap_algorithm algorithm, uint8_t id, struct chap_bytes secret,
		  struct chap_bytes challenge, uint8_t out[static CHAP_DIGEST_MAX]) MUST_CHECK;

/* 0x hexadecimal or 0b base64 (6.1), whole bytes only. -EINVAL: it is neither; -E2BIG: more than
 * @cap bytes, which are never written. */
int chap_decode(const char *value, uint8_t *out, size_t cap, size_t *len) MUST_CHECK;
/* As 0x hexadecimal; @len is at most CHAP_DIGEST_MAX. */
void chap_encode(const uint8_t *bytes, size_t len, char out[static CHAP_TEXT_MAX + 1]);
/* -EAGAIN: the machine has just started, and has no random numbers yet. Never blocks. */
int chap_random(void *out, size_t len) MUST_CHECK;
