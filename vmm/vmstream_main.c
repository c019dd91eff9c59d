/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/vmstream_main.c - av-vmstream: carries a QEMU guest's stream between the PMs, over TLS
 *
 *	av-vmstream in|out RUNTIME LOGFILE PID ADDRESS PORT KEY
 *
 * RUNTIME is the guest's folder here, PID its QEMU, KEY the file with the unit's mirror
 * key; "-" = in the clear, for tests.
 *   in:  listens at ADDRESS and PORT (0 = any), says in RUNTIME/stream.port where; brings what comes from
 *        the one who has the key to RUNTIME/in.sock, where QEMU listens.
 *   out: listens at RUNTIME/out.sock, where QEMU connects; brings that to the other PM.
 *        RUNTIME/stream.why says why it broke, before QEMU sees that.
 * It returns once it listens: 0, or 1 and a sentence on stderr.  What goes on behind it
 * ends with the stream or with that QEMU, whatever becomes of the agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "vmm/stream.h"

#define MEET_MS		60000	/* until QEMU has connected */

struct job {
	struct stream	*stream;
	int		 pidfd;
	int		 listener;	/* out */
	const char	*address;
	uint16_t	 port;
};

static int
complain(const struct av_err *err)
{
	(void)fprintf(stderr, "%s\n", err->text);
	return 1;
}

static int
number(const char *text, long least, long most, long *ret)
{
	char *end;

	errno = 0;
	*ret = strtol(text, &end, 10);
	return errno != 0 || end == text || *end != '\0' || *ret < least ||
	    *ret > most ? -EINVAL : 0;
}

/* In the runtime folder, which is where we are. */
static int
unix_socket(const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", name);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int
out_listen(struct job *j, struct av_err *err)
{
	struct sockaddr_un sa;

	if (unlink("out.sock") < 0 && errno != ENOENT)
		return av_err_set(err, -errno, "out.sock: %s", strerror(errno));
	j->listener = unix_socket("out.sock", &sa);
	if (j->listener < 0 || bind(j->listener, (struct sockaddr *)&sa,
	    sizeof(sa)) < 0 || listen(j->listener, 1) < 0)
		return av_err_set(err, -errno, "out.sock: %s", strerror(errno));
	return 0;
}

static int
in_listen(struct job *j, struct av_err *err)
{
	char text[16];
	int rc = stream_listen(j->stream, j->address, &j->port, err);

	(void)snprintf(text, sizeof(text), "%u\n", j->port);
	return rc < 0 ? rc : av_file_write("stream.port", text, strlen(text),
	    0600, err);
}

/* --- behind --- */

static void *
guest_watch(void *ctx)
{
	const struct job *j = ctx;
	struct pollfd p = { .fd = j->pidfd, .events = POLLIN };

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	stream_break(j->stream);
	return NULL;
}

static int
out_run(struct job *j, struct av_err *err)
{
	struct pollfd p[2] = { { .fd = j->listener, .events = POLLIN },
		{ .fd = j->pidfd, .events = POLLIN } };
	int fd, rc;

	if (poll(p, 2, MEET_MS) <= 0 || p[0].revents == 0)
		return 0;	/* it has ended, or thought better of it */
	fd = accept4(j->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return 0;
	(void)unlink("out.sock");	/* for this one alone */
	rc = stream_reach(j->stream, j->address, j->port, err);
	if (rc == 0 && stream_carry(j->stream, fd, true) < 0)
		rc = av_err_set(err, -EPIPE, "the stream broke: the other PM's "
		    "process ended, or the link was lost");
	/* read as soon as QEMU sees the end of 'fd', which is our own end */
	if (rc < 0)
		(void)av_file_write("stream.why", err->text, strlen(err->text),
		    0600, NULL);
	return rc;
}

static int
in_run(struct job *j, struct av_err *err)
{
	struct sockaddr_un sa;
	int fd, rc = stream_meet(j->stream, err);

	if (rc < 0)
		return rc;
	fd = unix_socket("in.sock", &sa);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return av_err_set(err, -errno, "in.sock: %s", strerror(errno));
	return stream_carry(j->stream, fd, false);
}

static void behind(struct job *j, const char *log, bool out)
    __attribute__((noreturn));

static void
behind(struct job *j, const char *log, bool out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	struct av_err err = {0};
	pthread_t watch;
	int rc;

	(void)setsid();			/* a fresh child: can't fail */
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(fd >= 0 ? fd : null, 2) < 0 ||
	    pthread_create(&watch, NULL, guest_watch, j) != 0)
		_exit(1);
	rc = out ? out_run(j, &err) : in_run(j, &err);
	if (rc < 0 && err.text[0] != '\0')
		(void)complain(&err);
	_exit(rc < 0);		/* 'watch' looks at the stream until then */
}

int
main(int argc, char **argv)
{
	bool out = argc == 8 && strcmp(argv[1], "out") == 0;
	struct job j = { .listener = -1 };
	struct av_err err = {0};
	long pid, port;
	int rc;

	if (argc != 8 || (!out && strcmp(argv[1], "in") != 0) ||
	    number(argv[4], 1, INT32_MAX, &pid) < 0 ||
	    number(argv[6], out, UINT16_MAX, &port) < 0) {
		(void)fprintf(stderr, "usage: av-vmstream in|out RUNTIME LOGFILE "
		    "PID ADDRESS PORT KEY\n");
		return 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(0077);
	j.address = argv[5];
	j.port = (uint16_t)port;
	j.pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (j.pidfd < 0 || chdir(argv[2]) < 0) {
		(void)av_err_set(&err, -errno, "%s", strerror(errno));
		return complain(&err);
	}
	(void)unlink("stream.why");
	rc = stream_new(strcmp(argv[7], "-") == 0 ? NULL :
	    argv[7], &j.stream, &err);
	if (rc == 0)
		rc = out ? out_listen(&j, &err) : in_listen(&j, &err);
	switch (rc < 0 ? -1 : fork()) {
	case -1:
		if (rc == 0)
			(void)av_err_set(&err, -errno, "fork: %s",
			    strerror(errno));
		if (j.stream != NULL)
			stream_free(j.stream);
		return complain(&err);
	case 0:
		behind(&j, argv[3], out);
	default:
		_exit(0);	/* what it would tidy up is the child's now */
	}
}
