/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * vmm/probe.c - does KVM really run code here?
 *
 * /dev/kvm may be there and still be of no use (nested, half-emulated).  So QEMU
 * boots, through its firmware, a small program that switches on paging and 64-bit
 * mode, writes through one page and reads through another, and says so by QEMU's
 * own exit code.  QEMU gets the machine and the processor that guests get, and KVM
 * must not be slower than emulation: where every instruction of the kernel traps, it
 * "works" at a hundredth of the speed.  The program's form: Multiboot 0.6.96, address fields used.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "vmm/probe.h"
#include "vmm/proc.h"
#include "vmm/vmm.h"

#define QEMU_PATH	"/usr/bin/qemu-system-x86_64"
#define SLACK_MS	1000	/* KVM may need this longer than TCG: noise */
#define EXIT_WORKED	33	/* isa-debug-exit: (0x10 << 1) | 1 */

__asm__(
    "	.pushsection .rodata\n"
    "	.balign 16\n"
    "	.globl vmm_probe_code, vmm_probe_code_end\n"
    "	.code32\n"
    "vmm_probe_code:\n"
    "	.long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)\n"
    "	.long 0x100000, 0x100000, 0, 0\n"	/* header, load, ends */
    "	.long 0x100000 + (6f - vmm_probe_code)\n"	/* entry */
    "6:	cli\n"
    "	cld\n"
    "	movl $0x300000, %esp\n"
    "	movl $0x200000, %edi\n"		/* tables at 2 MiB, cleared */
    "	xorl %eax, %eax\n"
    "	movl $0xc00, %ecx\n"
    "	rep stosl\n"
    "	movl $0x201003, 0x200000\n"
    "	movl $0x202003, 0x201000\n"
    "	movl $0x000083, 0x202000\n"	/* identity: 0, 2, 4 MiB */
    "	movl $0x200083, 0x202008\n"
    "	movl $0x400083, 0x202010\n"
    "	movl $0x400083, 0x202020\n"	/* 8 MiB is 4 MiB once more */
    "	movl %cr4, %eax\n"
    "	orl $0x20, %eax\n"		/* PAE */
    "	movl %eax, %cr4\n"
    "	movl $0x200000, %eax\n"
    "	movl %eax, %cr3\n"
    "	movl $0xc0000080, %ecx\n"	/* EFER.LME */
    "	rdmsr\n"
    "	orl $0x100, %eax\n"
    "	wrmsr\n"
    "	movl %cr0, %eax\n"
    "	orl $0x80000001, %eax\n"
    "	movl %eax, %cr0\n"
    "	lgdt 0x100000 + (8f - vmm_probe_code)\n"
    "	ljmp $8, $(0x100000 + (7f - vmm_probe_code))\n"
    "	.code64\n"
    "7:	movabsq $0x123456789abcdef1, %rax\n"
    "	movq %rax, 0x400010\n"
    "	movq 0x800010, %rbx\n"
    "	imulq $3, %rbx, %rbx\n"
    "	movabsq $0x369d0369d0369cd3, %rcx\n"
    "	movl $0x11, %eax\n"
    "	cmpq %rcx, %rbx\n"
    "	jne 9f\n"
    "	movl $0x10, %eax\n"
    "9:	movw $0xf4, %dx\n"
    "	outl %eax, %dx\n"
    "1:	hlt\n"
    "	jmp 1b\n"
    "	.balign 8\n"
    "5:	.quad 0, 0x00af9b000000ffff\n"	/* null, 64-bit code */
    "8:	.word 15\n"
    "	.long 0x100000 + (5b - vmm_probe_code)\n"
    "vmm_probe_code_end:\n"
    "	.code64\n"
    "	.popsection\n");

extern const uint8_t vmm_probe_code[], vmm_probe_code_end[];

static int
payload_fd(void)
{
	size_t n = (size_t)(vmm_probe_code_end - vmm_probe_code);
	AUTO_FD int fd = memfd_create("probe", 0);	/* QEMU inherits it */

	if (fd < 0 || write(fd, vmm_probe_code, n) != (ssize_t)n)
		return -EIO;
	return TAKE_FD(fd);
}

static int
probe_spawn(char *const *argv, pid_t *ret_pid)
{
	static char *const env[] = { NULL };
	posix_spawn_file_actions_t fa;
	int r;

	r = posix_spawn_file_actions_init(&fa);
	if (r != 0)
		return -r;
	(void)posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY,
	    0);
	(void)posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY,
	    0);
	(void)posix_spawn_file_actions_adddup2(&fa, 1, 2);
	r = posix_spawn(ret_pid, argv[0], &fa, NULL, argv, env);
	(void)posix_spawn_file_actions_destroy(&fa);
	return -r;
}

/* Waits, then kills; the child is always reaped. */
static int
probe_wait(pid_t pid, unsigned timeout_ms)
{
	AUTO_FD int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end_ns = av_clock_ns() + timeout_ms * AV_NS_PER_MS;
	int status, r = 0;

	while (fd >= 0) {
		uint64_t now = av_clock_ns();

		if (now >= end_ns)
			break;
		r = poll(&p, 1, (int)((end_ns - now) / AV_NS_PER_MS) + 1);
		if (r > 0 || (r < 0 && errno != EINTR))
			break;
	}
	if (r <= 0)
		(void)kill(pid, SIGKILL);	/* our child, not reaped yet */
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (r <= 0)
		return -ETIMEDOUT;
	return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_WORKED ? 0 :
	    -EIO;
}

int
vmm_probe_run(const char *qemu_path, const char *accel, unsigned timeout_ms)
{
	AUTO_FD int fd = payload_fd();
	bool kvm = strcmp(accel, "kvm") == 0;
	char kernel[64];
	pid_t pid;
	int rc;
	const char *const argv[] = { qemu_path != NULL ? qemu_path : QEMU_PATH,
	    "-nodefaults", "-no-user-config", "-machine", "q35,usb=off",
	    "-accel", accel, "-cpu", kvm ? "host" : "max", "-m", "32M", "-display", "none", "-no-reboot",
	    "-kernel", kernel, "-device", "isa-debug-exit,iobase=0xf4",
	    NULL };

	if (fd < 0)
		return fd;
	(void)snprintf(kernel, sizeof(kernel), "/proc/self/fd/%d", fd);
	rc = probe_spawn((char *const *)(uintptr_t)argv, &pid);
	if (rc < 0)
		return rc;
	return probe_wait(pid, timeout_ms);
}

/* 0 when KVM works and is worth it; else *ret_why. */
static int
kvm_worth(const char *qemu_path, unsigned timeout_ms, const char **ret_why)
{
	uint64_t t0 = av_clock_ns(), kvm_ns;
	int rc;

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		*ret_why = "there is no usable /dev/kvm";
		return -ENODEV;
	}
	rc = vmm_probe_run(qemu_path, "kvm", timeout_ms);
	kvm_ns = av_clock_ns() - t0;
	if (rc == -ETIMEDOUT) {
		*ret_why = "/dev/kvm is there, but code did not run within "
		    "the time limit";
		return rc;
	}
	if (rc < 0) {
		*ret_why = "/dev/kvm is there, but can't run 64-bit code "
		    "with paging";
		return rc;
	}
	if (kvm_ns < SLACK_MS * AV_NS_PER_MS)
		return 0;
	/* It was slow: so slow that emulation wins? */
	t0 = av_clock_ns();
	rc = vmm_probe_run(qemu_path, "tcg", timeout_ms);
	if (rc == 0 && kvm_ns > av_clock_ns() - t0 + SLACK_MS * AV_NS_PER_MS) {
		*ret_why = "/dev/kvm is there, but slower than emulation";
		return -ETIME;
	}
	return 0;
}

enum vmm_accel
vmm_probe_accel(const char *qemu_path, unsigned timeout_ms, char *ret_why,
    size_t n)
{
	const char *why = "KVM runs 64-bit code";
	int rc = kvm_worth(qemu_path, timeout_ms, &why);

	if (ret_why != NULL)
		(void)snprintf(ret_why, n, "%s", why);
	return rc == 0 ? VMM_ACCEL_KVM : VMM_ACCEL_TCG;
}
