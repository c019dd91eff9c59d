/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/xenrun/be_libxl.c - Xen through libxl, libxenctrl and xenstore
 *
 * What must be quick (find, pause) is one hypercall; the rest is libxl's, each
 * call with a context of its own, because a context's lock is held for long.
 */
#include "vmm/xenrun/be.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <xenctrl.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"

#define DOMAINS_MAX	1024
#define QUIET_S		20	/* a disk that takes longer hangs */
#define QUIET_LOOKS	3
#define QUIET_STEP_MS	5

static xc_interface *be_xc;
static struct xs_handle *be_xs;
static xentoollog_logger *be_log;

/* libxl reaps its own children alone: we have some too, by waitpid(). */
static const libxl_childproc_hooks be_children = {
	.chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
};

static void
ctx_free(libxl_ctx **ctx)
{
	if (*ctx != NULL)
		(void)libxl_ctx_free(*ctx);	/* always 0 */
}
#define AUTO_CTX AUTO(ctx_free)

static libxl_ctx *
ctx_new(void)
{
	libxl_ctx *ctx = NULL;

	if (libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, be_log) != 0)
		return NULL;
	libxl_childproc_setmode(ctx, &be_children, NULL);
	return ctx;
}

/* libxl's ERROR_* (libxl_error in its interface description) to errno. */
static int
libxl_errno(int r)
{
	switch (r) {
	case 0:
		return 0;
	case ERROR_NOMEM:
		return -ENOMEM;
	case ERROR_INVAL:
		return -EINVAL;
	case ERROR_TIMEDOUT:
		return -ETIMEDOUT;
	case ERROR_DOMAIN_NOTFOUND:
		return -ENOENT;
	default:
		return -EIO;
	}
}

/* ------------------------------ quick calls ------------------------------- */

static int
machine_check(struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	libxl_physinfo pi;

	if (ctx == NULL)
		return av_err_set(err, -EIO, "libxl can't be used");
	libxl_physinfo_init(&pi);
	if (libxl_get_physinfo(ctx, &pi) != 0)
		return av_err_set(err, -EIO, "Xen doesn't describe itself");
	if (!pi.cap_hvm)
		return av_err_set(err, -ENODEV, "this PM's processors can't "
		    "run guests: no VT-x or AMD-V, or it is off in the BIOS");
	if (!pi.cap_hap)
		return av_err_set(err, -ENODEV, "this PM's processors have no "
		    "nested paging (EPT, NPT): guests could not be moved");
	return 0;
}

static bool
under_xen(void)
{
	char word[8] = "";
	AUTO_FILE FILE *f = fopen("/sys/hypervisor/type", "re");

	return f != NULL && fgets(word, sizeof(word), f) != NULL &&
	    strncmp(word, "xen", 3) == 0;
}

int
xr_be_open(int *ret_fd, struct av_err *err)
{
	/* the kernel's own word; everything else can be away for a while */
	if (!under_xen())
		return av_err_set(err, -ENODEV, "this PM doesn't run under "
		    "Xen");
	if (access("/dev/xen/privcmd", R_OK | W_OK) < 0)
		return av_err_set(err, -EIO, "/dev/xen/privcmd: %s",
		    strerror(errno));
	be_log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr,
	    XTL_NOTICE, XTL_STDIOSTREAM_HIDE_PROGRESS);
	be_xc = xc_interface_open(be_log, be_log, 0);
	be_xs = xs_open(0);
	if (be_log == NULL || be_xc == NULL || be_xs == NULL)
		return av_err_set(err, -EIO,
		    "Xen's control interface or xenstore can't be opened");
	if (!xs_watch(be_xs, "@releaseDomain", "r") ||
	    !xs_watch(be_xs, "@introduceDomain", "i"))
		return av_err_set(err, -EIO, "xenstore takes no watch");
	*ret_fd = xs_fileno(be_xs);
	return machine_check(err);
}

void
xr_be_drain(void)
{
	char **w;

	while ((w = xs_check_watch(be_xs)) != NULL)
		free(w);
}

static void
info_fill(const xc_domaininfo_t *d, struct xr_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->domid = d->domain;
	ret->hvm = (d->flags & XEN_DOMINF_hvm_guest) != 0;
	ret->paused = (d->flags & XEN_DOMINF_paused) != 0;
	ret->shutdown = (d->flags & XEN_DOMINF_shutdown) != 0;
	ret->dying = (d->flags & XEN_DOMINF_dying) != 0;
	ret->why = (d->flags >> XEN_DOMINF_shutdownshift) &
	    XEN_DOMINF_shutdownmask;
	ret->cpu_ns = d->cpu_time;
	ret->memory_bytes = d->tot_pages << 12;
}

int
xr_be_find(const char *uuid, struct xr_info *ret)
{
	AUTO_FREE xc_domaininfo_t *list = calloc(DOMAINS_MAX, sizeof(*list));
	uint8_t want[16];
	char hex[33];
	size_t i, n = 0;
	int r, k, found = -ENOENT;

	for (i = 0; uuid[i] != '\0' && n < 32; i++)
		if (uuid[i] != '-')
			hex[n++] = uuid[i];
	hex[n] = '\0';
	if (list == NULL)
		return -ENOMEM;
	if (av_hex_decode(hex, want, 16) < 0)
		return -EINVAL;
	r = xc_domain_getinfolist(be_xc, 1, DOMAINS_MAX, list);
	if (r < 0)
		return -EIO;
	for (k = 0; k < r; k++) {
		if (memcmp(list[k].handle, want, 16) != 0)
			continue;
		if (found == 0 && (list[k].flags & XEN_DOMINF_dying))
			continue;
		info_fill(&list[k], ret);
		found = 0;
	}
	return found;
}

int
xr_be_pause(unsigned domid)
{
	return xc_domain_pause(be_xc, domid) < 0 ? -EIO : 0;
}

int
xr_be_unpause(unsigned domid, bool hvm)
{
	if (hvm) {
		AUTO_CTX libxl_ctx *ctx = ctx_new();

		return ctx == NULL ? -ENOMEM :
		    libxl_errno(libxl_domain_unpause(ctx, domid, NULL));
	}
	return xc_domain_unpause(be_xc, domid) < 0 ? -EIO : 0;
}

static char *
store_read(const char *path)
{
	unsigned n;

	return xs_read(be_xs, XBT_NULL, path, &n);	/* NUL-terminated */
}

static bool
store_write(const char *path, const char *text)
{
	return xs_write(be_xs, XBT_NULL, path, text, (unsigned)strlen(text));
}

int
xr_be_ask_off(unsigned domid, bool hvm)
{
	char path[64];

	/* an HVM guest of driver "xen" has no Xen drivers: the ACPI button */
	if (hvm)
		return xc_domain_send_trigger(be_xc, domid,
		    XEN_DOMCTL_SENDTRIGGER_POWER, 0) < 0 ? -EIO : 0;
	(void)snprintf(path, sizeof(path), "/local/domain/%u/control/shutdown",
	    domid);
	return store_write(path, "poweroff") ? 0 : -EIO;
}

int
xr_be_tty(unsigned domid, bool hvm, char *ret, size_t n)
{
	AUTO_FREE char *tty = NULL;
	char path[64];

	(void)snprintf(path, sizeof(path), "/local/domain/%u/%s", domid,
	    hvm ? "serial/0/tty" : "console/tty");
	tty = store_read(path);
	if (tty == NULL || tty[0] != '/' || strlen(tty) >= n)
		return -EAGAIN;
	memcpy(ret, tty, strlen(tty) + 1);
	return 0;
}

int
xr_be_disk_state(unsigned domid, unsigned vdev)
{
	static const char *const kinds[] = { "qdisk", "vbd" };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		AUTO_FREE char *state = NULL;
		char path[80];

		(void)snprintf(path, sizeof(path),
		    "/local/domain/0/backend/%s/%u/%u/state", kinds[i], domid,
		    vdev);
		state = store_read(path);
		if (state != NULL && state[0] >= '0' && state[0] <= '9' &&
		    state[1] == '\0')
			return state[0] - '0';
	}
	return 0;
}

/* blkback tells its size when it connects; later growth is for the toolstack to
 * say: size, then the backend's state once more, which blkfront looks at. */
int
xr_be_disk_grown(unsigned domid, unsigned vdev, uint64_t bytes)
{
	char base[64], path[96], text[24];

	(void)snprintf(base, sizeof(base), "/local/domain/0/backend/vbd/%u/%u",
	    domid, vdev);
	(void)snprintf(path, sizeof(path), "%s/sectors", base);
	(void)snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)(bytes / 512));
	if (!store_write(path, text))
		return -EIO;
	(void)snprintf(path, sizeof(path), "%s/state", base);
	return store_write(path, "4") ? 0 : -EIO;	/* Connected */
}

static int
inflight_read(const char *device, unsigned *ret)
{
	AUTO_FILE FILE *f = NULL;
	struct stat st;
	char path[64];
	unsigned r, w;

	if (stat(device, &st) < 0)
		return -errno;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/inflight",
	    major(st.st_rdev), minor(st.st_rdev));
	f = fopen(path, "re");
	if (f == NULL || fscanf(f, "%u %u", &r, &w) != 2)
		return -EIO;
	*ret = r + w;
	return 0;
}

/* blkback tells nobody how much it still does: what it has begun, the device knows. */
int
xr_be_device_quiet(const char *device, struct av_err *err)
{
	uint64_t end = av_clock_ns() + QUIET_S * AV_NS_PER_S;
	AUTO_FD int fd = open(device, O_RDONLY | O_CLOEXEC);
	unsigned n = 1, idle = 0;

	while (fd >= 0 && idle < QUIET_LOOKS && av_clock_ns() < end) {
		struct timespec t = { .tv_nsec = QUIET_STEP_MS * 1000000l };

		if (inflight_read(device, &n) < 0)
			break;
		idle = n == 0 ? idle + 1 : 0;
		/* lint: sleep: the device tells nobody that it has ended */
		(void)nanosleep(&t, NULL);
	}
	if (fd < 0 || idle < QUIET_LOOKS || fsync(fd) < 0)
		return av_err_set(err, -EIO, "%s does not get quiet", device);
	return 0;
}

/* ------------------------------ libxl's calls ----------------------------- */

static int
memory_check(libxl_ctx *ctx, libxl_domain_config *cfg, struct av_err *err)
{
	uint64_t need = 0, have = 0;

	if (libxl_domain_need_memory(ctx, cfg, 0, &need) != 0 ||
	    libxl_get_free_memory(ctx, &have) != 0)
		return 0;	/* making it will tell */
	if (need <= have)
		return 0;
	return av_err_set(err, -ENOMEM, "needs %llu MiB of memory; this PM's "
	    "hypervisor has %llu MiB free", (unsigned long long)(need >> 10),
	    (unsigned long long)(have >> 10));
}

int
xr_be_create(const json_t *config, int restore_fd, unsigned *ret_domid,
    struct av_err *err)
{
	AUTO_FREE char *text = json_dumps(config, JSON_COMPACT);
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	libxl_domain_restore_params params;
	libxl_domain_config cfg;
	uint32_t domid = ~0u;
	int r, rc;

	if (ctx == NULL || text == NULL)
		return av_err_set(err, -ENOMEM, "libxl can't be used");
	libxl_domain_config_init(&cfg);
	r = libxl_domain_config_from_json(ctx, &cfg, text);
	if (r != 0) {
		rc = av_err_set(err, -EINVAL, "libxl doesn't take the guest's "
		    "description");
		goto out;
	}
	rc = memory_check(ctx, &cfg, err);
	if (rc < 0)
		goto out;
	if (restore_fd >= 0) {
		libxl_domain_restore_params_init(&params);
		params.stream_version = 2;
		r = libxl_domain_create_restore(ctx, &cfg, &domid, restore_fd,
		    -1, &params, NULL, NULL);
		libxl_domain_restore_params_dispose(&params);
	} else {
		r = libxl_domain_create_new(ctx, &cfg, &domid, NULL, NULL);
	}
	*ret_domid = domid;
	if (r != 0)
		rc = av_err_set(err, libxl_errno(r), "the domain can't be "
		    "made (libxl error %d)", r);
out:
	libxl_domain_config_dispose(&cfg);
	return rc;
}

int
xr_be_destroy(unsigned domid, struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	int r;

	if (ctx == NULL)
		return av_err_set(err, -ENOMEM, "libxl can't be used");
	r = libxl_domain_destroy(ctx, domid, NULL);
	return r == 0 ? 0 : av_err_maybe(err, libxl_errno(r),
	    "the domain can't be destroyed (libxl error %d)", r);
}

int
xr_be_dump(unsigned domid, const char *path, struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	int r;

	if (ctx == NULL)
		return av_err_set(err, -ENOMEM, "libxl can't be used");
	r = libxl_domain_core_dump(ctx, domid, path, NULL);
	return r == 0 ? 0 : av_err_set(err, libxl_errno(r),
	    "no core can be written (libxl error %d)", r);
}

int
xr_be_save(unsigned domid, int fd, struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	int r;

	if (ctx == NULL)
		return av_err_set(err, -ENOMEM, "libxl can't be used");
	r = libxl_domain_suspend(ctx, domid, fd, LIBXL_SUSPEND_LIVE, NULL);
	return r == 0 ? 0 : av_err_set(err, libxl_errno(r),
	    "the guest's stream broke off (libxl error %d)", r);
}

int
xr_be_continue(unsigned domid, struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	int r;

	if (ctx == NULL)
		return av_err_set(err, -ENOMEM, "libxl can't be used");
	r = libxl_domain_resume(ctx, domid, 1, NULL);
	return r == 0 ? 0 : av_err_maybe(err, libxl_errno(r),
	    "the guest can't go on (libxl error %d)", r);
}

/* What guests have; negative: not told. */
static int64_t
guests_pages(void)
{
	AUTO_FREE xc_domaininfo_t *list = calloc(DOMAINS_MAX, sizeof(*list));
	int64_t pages = 0;
	int i, n;

	n = list != NULL ? xc_domain_getinfolist(be_xc, 1, DOMAINS_MAX, list) :
	    -1;
	for (i = 0; i < n; i++)
		pages += (int64_t)list[i].tot_pages;
	return n < 0 ? -1 : pages;
}

int
xr_be_physical(json_t **ret_msg, struct av_err *err)
{
	AUTO_CTX libxl_ctx *ctx = ctx_new();
	int64_t guests = guests_pages();
	const libxl_version_info *v;
	libxl_physinfo pi;

	if (ctx == NULL)
		return av_err_set(err, -ENODEV, "libxl can't be used");
	libxl_physinfo_init(&pi);
	v = libxl_get_version_info(ctx);
	if (v == NULL || guests < 0 || libxl_get_physinfo(ctx, &pi) != 0)
		return av_err_set(err, -EIO, "Xen doesn't describe itself");
	*ret_msg = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, "
	    "s:i, s:i}", "hypervisor", "xen", "cpus", (json_int_t)pi.nr_cpus,
	    "cores_per_socket", (json_int_t)pi.cores_per_socket,
	    "threads_per_core", (json_int_t)pi.threads_per_core,
	    "memory_bytes", (json_int_t)(pi.total_pages << 12),
	    "free_bytes", (json_int_t)(pi.free_pages << 12),
	    /* this domain's and Xen's own, whatever guests there are */
	    "system_bytes", (json_int_t)((pi.total_pages - pi.free_pages -
	    pi.scrub_pages - (uint64_t)guests) << 12),
	    "hvm", (int)pi.cap_hvm, "slat", (int)pi.cap_hap, "iommu",
	    (int)pi.cap_hvm_directio, "version_major", v->xen_version_major,
	    "version_minor", v->xen_version_minor);
	return *ret_msg != NULL ? 0 : av_err_set(err, -ENOMEM, "no memory");
}
