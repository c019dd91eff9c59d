/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/secret.c - passwords and questions at the terminal
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "avcli/codeset.h"
#include "avcli/files.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#define SECRET_MAX_BYTES	4096

void
secret_free(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

int
first_line(const char *file, size_t max_bytes, char **ret,
    struct cli_err *err)
{
	AUTO_FREE char *data = NULL;
	struct av_err why = { 0 };
	size_t n = 0;

	if (av_file_read(file, max_bytes, &data, &n, &why) < 0)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("can't read '%s': %s"), file, strerror(-why.rc));
	data[strcspn(data, "\r\n")] = '\0';
	if (*data == '\0')
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("the first line of '%s' is empty"), file);
	if (!av_utf8_ok(data))
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("'%s' doesn't hold UTF-8 text"), file);
	*ret = TAKE_PTR(data);
	return 0;
}

bool
terminal_exists(void)
{
	AUTO_FD int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd >= 0;
}

/* One line from the terminal; echo off when 'hidden'. */
static int
terminal_read(const char *prompt, bool hidden, char *buf, size_t n)
{
	AUTO_FILE FILE *tty = fopen("/dev/tty", "r+e");
	struct termios was, now;
	bool changed = false;
	char *got;

	if (tty == NULL)
		return -errno;
	setvbuf(tty, NULL, _IONBF, 0);
	codeset_printf(tty, "%s", prompt);
	if (hidden && tcgetattr(fileno(tty), &was) == 0) {
		now = was;
		now.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(fileno(tty), TCSAFLUSH, &now) == 0;
	}
	got = fgets(buf, (int)n, tty);
	if (changed) {
		(void)tcsetattr(fileno(tty), TCSAFLUSH, &was);
		(void)fputc('\n', tty);
	}
	if (got == NULL)
		return -EIO;
	buf[strcspn(buf, "\r\n")] = '\0';
	return 0;
}

bool
terminal_confirm(const char *question)
{
	char answer[16];

	if (terminal_read(question, false, answer, sizeof(answer)) < 0)
		return false;
	return strcmp(answer, "yes") == 0;
}

static int
secret_ask(const char *variable, const char *prompt, char **ret,
    struct cli_err *err)
{
	char buf[SECRET_MAX_BYTES];
	int rc;

	if (terminal_read(prompt, true, buf, sizeof(buf)) < 0) {
		rc = cli_fail(err, EXIT_DENIED, "login-needed",
		    tr("a password is needed and there is no terminal to ask at"));
		cli_hint(err,
		    tr("give it with a password file or in the environment's %s"),
		    variable);
		return rc;
	}
	rc = codeset_in(buf, ret);
	explicit_bzero(buf, sizeof(buf));
	if (rc < 0)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("the password isn't text in the terminal's character set"));
	return 0;
}

int
secret_get(const char *file, const char *variable, const char *prompt,
    char **ret, struct cli_err *err)
{
	const char *value;

	if (file != NULL)
		return first_line(file, SECRET_MAX_BYTES, ret, err);
	value = getenv(variable);
	if (value == NULL)
		return secret_ask(variable, prompt, ret, err);
	if (codeset_in(value, ret) < 0)
		return cli_fail(err, EXIT_USAGE, "bad-argument",
		    tr("%s isn't text in the locale's character set"), variable);
	return 0;
}
