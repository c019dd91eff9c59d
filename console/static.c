/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * console/static.c - the pages, from web_dir
 *
 * The kernel refuses what would leave the folder (openat2, RESOLVE_BENEATH); names
 * that begin with a dot are refused here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "console/request.h"
#include "console/static.h"

const char *
static_type(const char *path)
{
	static const char *const types[][2] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".js", "text/javascript; charset=utf-8" },
		{ ".mjs", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" },
		{ ".json", "application/json" },
		{ ".map", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".ico", "image/x-icon" },
		{ ".woff2", "font/woff2" },
		{ ".woff", "font/woff" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".wasm", "application/wasm" },
		{ ".webmanifest", "application/manifest+json" },
		{ ".mp3", "audio/mpeg" },
		{ ".oga", "audio/ogg" },
	};
	const char *dot = strrchr(path, '.');
	size_t i;

	for (i = 0; dot != NULL && i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i][0], dot) == 0)
			return types[i][1];
	return "application/octet-stream";
}

int
static_path(const struct uri *u, char *ret, size_t n)
{
	size_t at = 0;
	unsigned i;

	for (i = 0; i < u->n_parts; i++) {
		const char *part = u->parts[i];
		size_t len = strlen(part);

		if (i + 1 == u->n_parts && len == 0) {
			part = "index.html";
			len = 10;
		}
		if (len == 0 || part[0] == '.' || strchr(part, '/') != NULL ||
		    at + len + 2 > n)
			return -ENOENT;
		if (at > 0)
			ret[at++] = '/';
		memcpy(ret + at, part, len);
		at += len;
	}
	ret[at] = '\0';
	return 0;
}

static int
file_open(int dir, const char *path, struct stat *st)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	AUTO_FD int fd = (int)syscall(SYS_openat2, dir, path, &how,
	    sizeof(how));

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -ENOENT;
	return TAKE_FD(fd);
}

static bool
etag_matches(const char *header, const char *etag)
{
	return header != NULL && (strcmp(header, "*") == 0 ||
	    strstr(header, etag) != NULL);
}

int
static_get(struct request *req, struct av_err *err)
{
	AUTO_FD int fd = -1;
	struct MHD_Response *r;
	struct stat st;
	char path[512], etag[64];
	bool same;

	if (strcmp(req->method, "OPTIONS") == 0)
		return reply_empty(req, 204, "Allow", "GET, HEAD, OPTIONS");
	if (strcmp(req->method, "GET") != 0 &&
	    strcmp(req->method, "HEAD") != 0) {
		req->params = json_pack("{s:s}", "allow", "GET, HEAD");
		return av_err_code(err, -EINVAL, "bad-method",
		    "this address takes GET, HEAD");
	}
	if (req->srv->web_fd >= 0 && static_path(&req->uri, path,
	    sizeof(path)) == 0)
		fd = file_open(req->srv->web_fd, path, &st);
	if (fd < 0)
		return av_err_code(err, -ENOENT, "no-such-route",
		    "there is no such page");
	(void)snprintf(etag, sizeof(etag), "\"%llx-%llx-%lx\"",
	    (unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec);
	same = etag_matches(request_header(req, "If-None-Match"), etag);
	if (same)
		r = MHD_create_response_from_buffer(0, path,
		    MHD_RESPMEM_MUST_COPY);
	else
		r = MHD_create_response_from_fd64((uint64_t)st.st_size, fd);
	if (r == NULL)
		return -ENOMEM;
	if (!same)
		(void)TAKE_FD(fd);	/* MHD closes it */
	(void)MHD_add_response_header(r, "ETag", etag);
	(void)MHD_add_response_header(r, "Cache-Control", "no-cache");
	(void)MHD_add_response_header(r, "Content-Type", static_type(path));
	return reply_queue(req, same ? 304 : 200, r);
}
