/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * nodeagent/setup/password.c - the administrator's password
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"
#include "nodeagent/setup/password.h"
#include "nodeagent/setup/text.h"

void
password_free(char *password)
{
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
}

static int
from_terminal(FILE *tty, const char *prompt, char *buf, size_t n)
{
	struct termios was, now;
	bool changed = false;
	char *got;

	fprintf(tty, "%s", prompt);
	if (tcgetattr(fileno(tty), &was) == 0) {
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

static int
ask(char *buf, size_t n, struct av_err *err)
{
	AUTO_FILE FILE *tty = fopen("/dev/tty", "r+e");
	char again[PASSWORD_MAX_BYTES + 2];
	int rc = 0;

	if (tty == NULL)
		return av_err_code(err, -ENXIO, "no-terminal", "%s",
		    tr("the administrator's password is needed and there is no terminal to ask at: give it with --password-file FILE"));
	setvbuf(tty, NULL, _IONBF, 0);
	if (from_terminal(tty, tr("Password for the unit's user 'admin': "),
	    buf, n) < 0 || from_terminal(tty, tr("Once more: "), again,
	    sizeof(again)) < 0)
		rc = av_err_code(err, -ECANCELED, "interrupted", "%s",
		    tr("interrupted"));
	else if (strcmp(buf, again) != 0)
		rc = av_err_code(err, -EINVAL, "bad-password", "%s",
		    tr("the two passwords differ"));
	explicit_bzero(again, sizeof(again));
	return rc;
}

static int
check(const char *s, struct av_err *err)
{
	size_t chars = 0;
	const char *p;

	if (!av_utf8_ok(s))
		return av_err_code(err, -EINVAL, "bad-password", "%s",
		    tr("the password isn't UTF-8 text"));
	for (p = s; *p != '\0'; p++)
		chars += ((unsigned char)*p & 0xc0) != 0x80;
	if (chars < PASSWORD_MIN_CHARS)
		return av_err_code(err, -EINVAL, "bad-password",
		    tr("the password needs at least %d characters"),
		    PASSWORD_MIN_CHARS);
	return 0;
}

int
password_get(const char *file, char **ret, struct av_err *err)
{
	char buf[PASSWORD_MAX_BYTES + 2] = "";
	char *text = NULL;
	size_t n = 0;
	int rc;

	if (file == NULL) {
		rc = ask(buf, sizeof(buf), err);
	} else {
		rc = av_file_read(file, 4096, &text, &n, err);
		if (rc == 0) {
			text[strcspn(text, "\r\n")] = '\0';
			if (strlen(text) > PASSWORD_MAX_BYTES)
				rc = av_err_code(err, -EINVAL, "bad-password",
				    tr("the password is longer than %d bytes"),
				    PASSWORD_MAX_BYTES);
			(void)snprintf(buf, sizeof(buf), "%s", text);
			explicit_bzero(text, n);
		}
		free(text);
	}
	if (rc == 0)
		rc = check(buf, err);
	if (rc == 0) {
		*ret = strdup(buf);
		if (*ret == NULL)
			rc = av_err_set(err, -ENOMEM, "no memory");
	}
	explicit_bzero(buf, sizeof(buf));
	return rc;
}
