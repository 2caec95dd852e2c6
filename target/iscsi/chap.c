/* CHAP's sums: the hash functions are OpenSSL's; text to bytes and back is ours.
 *
 * A decoder knows the size of its destination before it writes. It need not take the same time for
 * all values: what it reads came over the wire for all to see. */
#include "target/iscsi/chap.h"

#include "backstore/base/bytes.h"
#include "target/iscsi/keys.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

static const struct {
	enum chap_algorithm algorithm;
	const char *name;
	size_t digest_bytes;
} algorithms[] = {
	/* the strongest first */
	{ CHAP_SHA3_256, "SHA3-256", 32 },
	{ CHAP_SHA256, "SHA256", 32 },
	{ CHAP_SHA1, "SHA1", 20 },
	{ CHAP_MD5, "MD5", 16 },
};

/* The caller frees it; NULL: this library has none (MD5, where only FIPS's are let). */
static EVP_MD *fetch(enum chap_algorithm algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].algorithm == algorithm)
			return EVP_MD_fetch(NULL, algorithms[i].name, NULL);
	return NULL;
}

static bool is_available(enum chap_algorithm algorithm)
{
	EVP_MD *md = fetch(algorithm);

	EVP_MD_free(md);
	return md;
}

/* An element of a list is at most as long as the longest number; "05" is none (6.1). */
static bool offers(const char *list, uint32_t want)
{
	for (;; list++) {
		size_t len = strcspn(list, ",");
		char element[16];
		uint32_t number;

		if (len < sizeof(element)) {
			memcpy(element, list, len);
			element[len] = '\0';
			if (!keys_number(element, &number) && number == want)
				return true;
		}
		list += len;
		if (!*list)
			return false;
	}
}

enum chap_algorithm chap_choose(const char *list)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (offers(list, algorithms[i].algorithm) && is_available(algorithms[i].algorithm))
			return algorithms[i].algorithm;
	return CHAP_NONE;
}

size_t chap_digest_bytes(enum chap_algorithm algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].digest_bytes;
	return 0;
}

const char *chap_name(enum chap_algorithm algorithm)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (algorithms[i].algorithm == algorithm)
			return algorithms[i].name;
	return "none";
}

int chap_response(enum chap_algorithm algorithm, uint8_t id, struct chap_bytes secret,
		  struct chap_bytes challenge, uint8_t out[static CHAP_DIGEST_MAX])
{
	EVP_MD *md = fetch(algorithm);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new(); /* wiped when it is freed */
	bool done = md && ctx && EVP_MD_get_size(md) == (int)chap_digest_bytes(algorithm) &&
		    EVP_DigestInit_ex2(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, &id, 1) == 1 &&
		    EVP_DigestUpdate(ctx, secret.at, secret.len) == 1 &&
		    EVP_DigestUpdate(ctx, challenge.at, challenge.len) == 1 &&
		    EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return done ? 0 : -EIO;
}

/* --- binary values ------------------------------------------------------------------ */

static int decode_hex(const char *digits, uint8_t *out, size_t cap, size_t *len)
{
	size_t n = strlen(digits);

	if (n == 0 || n % 2)
		return -EINVAL;
	if (n / 2 > cap)
		return -E2BIG;
	for (size_t i = 0; i < n / 2; i++) {
		int high = hex_digit(digits[2 * i]), low = hex_digit(digits[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	*len = n / 2;
	return 0;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 section 4: padded, and nothing in the bits that padding leaves over (3.5). */
static int decode_base64(const char *digits, uint8_t *out, size_t cap, size_t *len)
{
	size_t n = strlen(digits), pad = 0, bytes, at = 0;
	uint32_t bits = 0;

	if (n == 0 || n % 4)
		return -EINVAL;
	while (pad < 2 && digits[n - 1 - pad] == '=')
		pad++;
	bytes = n / 4 * 3 - pad;
	if (bytes > cap)
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		int digit = i < n - pad ? base64_digit(digits[i]) : 0;

		if (digit < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)digit;
		if (i % 4 != 3)
			continue;
		for (unsigned shift = 16; at < bytes && at < i / 4 * 3 + 3; shift -= 8)
			out[at++] = (uint8_t)(bits >> shift);
	}
	if (bits & ((1u << 8 * pad) - 1))
		return -EINVAL;
	*len = bytes;
	return 0;
}

int chap_decode(const char *value, uint8_t *out, size_t cap, size_t *len)
{
	if (value[0] != '0')
		return -EINVAL;
	if (value[1] == 'x' || value[1] == 'X')
		return decode_hex(value + 2, out, cap, len);
	if (value[1] == 'b' || value[1] == 'B')
		return decode_base64(value + 2, out, cap, len);
	return -EINVAL;
}

void chap_encode(const uint8_t *bytes, size_t len, char out[static CHAP_TEXT_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";

	assert(len <= CHAP_DIGEST_MAX);
	*out++ = '0';
	*out++ = 'x';
	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

int chap_random(void *out, size_t len)
{
	ssize_t n;

	do
		n = getrandom(out, len, GRND_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
