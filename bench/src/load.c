/* bench/load: see bench/README.md.
 *
 * Logs in with all connections, one after the other, starts the threads, which own them from
 * then on, and waits for these or for a signal. The first SIGINT or SIGTERM ends the run
 * with what was measured; a second one does not wait for answers. */
#include "bench/src/conn.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

enum { MAX_MESSAGES = 20 };

void run_complain(struct run *run, const char *fmt, ...)
{
	unsigned n = atomic_fetch_add(&run->messages, 1);
	char text[512];
	va_list args;

	if (n > MAX_MESSAGES)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fprintf(stderr, "load: %s\n", n == MAX_MESSAGES ? "(more are counted, not shown)" : text);
}

void run_stop(struct run *run, enum run_stop how)
{
	int was = atomic_load(&run->stop);

	while (was < (int)how && !atomic_compare_exchange_weak(&run->stop, &was, (int)how))
		;
}

/* ── beginning ────────────────────────────────────────────────────────── */

static int run_init(struct run *run, const struct options *o)
{
	struct rlimit files;

	*run = (struct run){ .opt = o, .main_thread = pthread_self() };
	if (getrandom(&run->stamp_run, sizeof(run->stamp_run), 0) !=
	    (ssize_t)sizeof(run->stamp_run))
		return -errno;
	run->payload = malloc(o->block_bytes);
	if (!run->payload)
		return -ENOMEM;
	/* not compressible, not the same in any two blocks: targets may look */
	for (uint64_t i = 0, x = run->stamp_run; i < o->block_bytes; i++) {
		x = x * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
		run->payload[i] = (uint8_t)(x >> 56);
	}
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return 0;
}

static int open_one(struct conn **out, struct run *run, unsigned index)
{
	uint64_t disk_bytes = (uint64_t)1 << 40; /* the bare server's: any */
	const struct options *o = run->opt;
	int ret = o->is_tcp ? tcp_open(out, run, index) : iscsi_open(out, run, index, &disk_bytes);

	if (ret)
		return ret;
	if (index == 0)
		run->disk_bytes = disk_bytes;
	if (disk_bytes != run->disk_bytes || o->range_bytes > disk_bytes) {
		fprintf(stderr, "load: the disk has %llu bytes, not %llu\n",
			(unsigned long long)disk_bytes,
			(unsigned long long)MAX(o->range_bytes, run->disk_bytes));
		ret = -EINVAL;
	} else {
		ret = conn_set_range(*out);
	}
	if (ret)
		(*out)->proto->free(*out);
	return ret;
}

static int open_all(struct run *run, struct worker *workers)
{
	const struct options *o = run->opt;

	for (unsigned i = 0; i < o->threads; i++) {
		workers[i].run = run;
		workers[i].index = i;
		list_init(&workers[i].conns);
		list_init(&workers[i].dirty);
	}
	for (unsigned i = 0; i < o->connections; i++) {
		struct worker *w = &workers[i % o->threads];
		struct conn *c;
		int ret = open_one(&c, run, i);

		if (ret)
			return ret;
		c->worker = w;
		list_add_tail(&w->conns, &c->worker_link);
		w->live++;
	}
	return 0;
}

static void close_all(const struct options *o, struct worker *workers)
{
	struct list *l;

	for (unsigned i = 0; i < o->threads; i++)
		while ((l = list_pop(&workers[i].conns))) {
			struct conn *c = list_entry(l, struct conn, worker_link);

			c->proto->free(c);
		}
}

static int start_thread(struct worker *w)
{
	const struct options *o = w->run->opt;
	pthread_attr_t attr;
	cpu_set_t cpus;
	int cpu = -1, ret;

	pthread_attr_init(&attr);
	if (o->cpu_count) {
		cpu = o->cpus[w->index % o->cpu_count];
		CPU_ZERO(&cpus);
		CPU_SET((unsigned)cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	ret = pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (ret == EINVAL && cpu >= 0)
		fprintf(stderr, "load: --cpus: processor %d is none that this may run on\n", cpu);
	else if (ret)
		fprintf(stderr, "load: cannot start a thread: %s\n", strerror(ret));
	return ret;
}

/* ── the run ──────────────────────────────────────────────────────────── */

static void wait_for_end(struct run *run, const sigset_t *signals)
{
	int number;

	while (atomic_load(&run->workers_done) < run->opt->threads) {
		if (sigwait(signals, &number) != 0 || number == SIGUSR1)
			continue;
		run_stop(run, atomic_load(&run->stop) == RUN_ON ? RUN_STOP : RUN_ABANDON);
	}
}

static int run_threads(struct run *run, struct worker *workers)
{
	const struct options *o = run->opt;
	uint64_t warm_ns = (uint64_t)(o->warmup_seconds * 1e9);
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	pthread_barrier_init(&run->start, NULL, o->threads + 1);
	for (unsigned i = 0; i < o->threads; i++)
		if (start_thread(&workers[i]))
			exit(EXIT_FAILURE); /* the others wait at the barrier, with nothing sent */
	run->length_ns = (uint64_t)(o->seconds * 1e9);
	pthread_barrier_wait(&run->start);
	run->begin_ns = load_now_ns() + warm_ns;
	pthread_barrier_wait(&run->start);
	wait_for_end(run, &signals);
	for (unsigned i = 0; i < o->threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&run->start);
	return 0;
}

static void add_counts(struct counts *to, const struct counts *from)
{
	hist_add(&to->latency_ns, &from->latency_ns);
	to->bytes += from->bytes;
	to->cpu_ns += from->cpu_ns;
	to->busy += from->busy;
	to->done[0] += from->done[0];
	to->done[1] += from->done[1];
	to->verified_bytes += from->verified_bytes;
	for (unsigned i = 0; i < LOAD_ERRORS; i++)
		to->errors[i] += from->errors[i];
}

static int report(const struct run *run, const struct worker *workers)
{
	struct counts *sum = calloc(1, sizeof(*sum));
	double seconds = 0;
	uint64_t errors;

	if (!sum)
		return EXIT_FAILURE;
	for (unsigned i = 0; i < run->opt->threads; i++) {
		double s = (double)(workers[i].to_ns - workers[i].from_ns) / 1e9;

		add_counts(sum, &workers[i].counts);
		seconds = MAX(seconds, s);
	}
	(run->opt->json ? report_json : report_table)(run->opt, sum, seconds);
	errors = report_errors(sum);
	free(sum);
	return errors || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	struct options o;
	struct run run;
	int status = EXIT_FAILURE;

	if (options_parse(&o, argc, argv))
		return 2;
	if (o.help) {
		fputs(options_usage, stdout);
		return EXIT_SUCCESS;
	}
	workers = calloc(o.threads, sizeof(*workers));
	if (!workers || run_init(&run, &o)) {
		fprintf(stderr, "load: no memory\n");
		return EXIT_FAILURE;
	}
	if (open_all(&run, workers) == 0 && run_threads(&run, workers) == 0)
		status = report(&run, workers);
	close_all(&o, workers);
	free(workers);
	free(run.payload);
	options_fini(&o);
	return status;
}
