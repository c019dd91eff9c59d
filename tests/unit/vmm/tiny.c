/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/vmm/tiny.c - see tiny.h
 */
#include "tests/unit/vmm/tiny.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

extern const uint8_t tiny_code[], tiny_code_end[], tiny_params[];

/* At 0x7c00, real mode; A(x) is where x is then.  Parameters are five dwords. */
__asm__(
    ".pushsection .rodata\n"
    ".code16\n"
    ".set ORG, 0x7c00\n"
    "tiny_code:\n"
    "	cli\n"
    "	xorw %ax, %ax\n"
    "	movw %ax, %ds\n	movw %ax, %es\n	movw %ax, %ss\n"
    "	movw $0x7c00, %sp\n"
    "	ljmp $0, $(1f - tiny_code + ORG)\n"
    "1:	inb $0x92, %al\n	orb $2, %al\n	outb %al, $0x92\n"
    "	movl p_from - tiny_code + ORG, %eax\n"
    "	movl %eax, v_at - tiny_code + ORG\n"
    /* interrupt 8, the clock's, is ours; no other one comes */
    "	movw $(tick - tiny_code + ORG), 0x20\n	movw $0, 0x22\n"
    "	movb $0xfe, %al\n	outb %al, $0x21\n"
    "	movb $0x34, %al\n	outb %al, $0x43\n"
    "	movw $1193, %ax\n	outb %al, $0x40\n"
    "	movb %ah, %al\n	outb %al, $0x40\n"
    "2:	sti\n	hlt\n"
    "	movl p_disk - tiny_code + ORG, %ecx\n"
    "	testl %ecx, %ecx\n	jz 2b\n"
    "	movl v_count - tiny_code + ORG, %eax\n"
    "	subl v_last - tiny_code + ORG, %eax\n"
    "	cmpl %ecx, %eax\n	jb 2b\n"
    "	addl %eax, v_last - tiny_code + ORG\n"
    /* the record: n at 0x8000, packet at 0x7e00; sector 1 + n % 64 */
    "	movl v_n - tiny_code + ORG, %eax\n	incl %eax\n"
    "	movl %eax, 0x8000\n"
    "	andl $63, %eax\n	incl %eax\n"
    "	movl %eax, 0x7e08\n	movl $0, 0x7e0c\n"
    "	movl $0x00010010, 0x7e00\n	movl $0x00008000, 0x7e04\n"
    "	movw $0x7e00, %si\n	movb $0x80, %dl\n	movw $0x4300, %ax\n"
    "	int $0x13\n"
    "	jc 2b\n"
    "	xorw %ax, %ax\n	movw %ax, %ds\n"
    /* the line takes a byte, or the next tick will have made room */
    "6:	cli\n	movw $0x3fd, %dx\n	inb %dx, %al\n"
    "	testb $0x20, %al\n	jnz 7f\n"
    "	sti\n	hlt\n	jmp 6b\n"
    "7:	incl v_n - tiny_code + ORG\n"
    "	movb v_n - tiny_code + ORG, %al\n"
    "	orb $0x80, %al\n"
    "	movw $0x3f8, %dx\n	outb %al, %dx\n"
    "	jmp 2b\n"
    /* each tick: the line, then memory, with a 4 GiB limit in fs */
    "tick:	pushal\n	pushw %ds\n	pushw %fs\n"
    "	xorw %ax, %ax\n	movw %ax, %ds\n"
    "	movw $0x3fd, %dx\n	inb %dx, %al\n"
    "	testb $0x20, %al\n	jz 4f\n"
    "	incl v_count - tiny_code + ORG\n"
    "	movb v_count - tiny_code + ORG, %al\n"
    "	andb $0x7f, %al\n"
    "	movw $0x3f8, %dx\n	outb %al, %dx\n"
    "	movl p_pages - tiny_code + ORG, %ecx\n"
    "	testl %ecx, %ecx\n	jz 4f\n"
    /* the limit stays, unless the BIOS writes to the disk meanwhile; and a processor
     * that is emulated keeps what it knows of pages that it has just written to */
    "	cmpb $0, v_flat - tiny_code + ORG\n	jne 8f\n"
    "	lgdtl gdtr - tiny_code + ORG\n"
    "	movl %cr0, %eax\n	orb $1, %al\n	movl %eax, %cr0\n"
    "	movw $8, %bx\n	movw %bx, %fs\n"
    "	andb $0xfe, %al\n	movl %eax, %cr0\n"
    "	xorw %bx, %bx\n	movw %bx, %fs\n"
    "	cmpl $0, p_disk - tiny_code + ORG\n"
    "	sete v_flat - tiny_code + ORG\n"
    "8:	movl v_count - tiny_code + ORG, %eax\n"
    "	movl v_at - tiny_code + ORG, %edi\n"
    "3:	movl %eax, %fs:(%edi)\n"
    "	addl $4096, %edi\n"
    "	cmpl p_to - tiny_code + ORG, %edi\n	jb 5f\n"
    "	movl p_from - tiny_code + ORG, %edi\n"
    "	movl p_more - tiny_code + ORG, %ebx\n"
    "	movl %ebx, p_pages - tiny_code + ORG\n"
    "	movl $1, %ecx\n"
    "5:	decl %ecx\n	jnz 3b\n"
    "	movl %edi, v_at - tiny_code + ORG\n"
    "4:	movb $0x20, %al\n	outb %al, $0x20\n"
    "	popw %fs\n	popw %ds\n	popal\n	iret\n"
    ".balign 8\n"
    "gdt:	.quad 0\n	.quad 0x00cf92000000ffff\n"
    "gdtr:	.word 15\n	.long gdt - tiny_code + ORG\n"
    "v_count: .long 0\n"
    "v_last: .long 0\n"
    "v_n:	.long 0\n"
    "v_at:	.long 0\n"
    "v_flat: .byte 0\n"
    "tiny_params:\n"
    "p_pages: .long 0\n"
    "p_from: .long 0\n"
    "p_to:	.long 0\n"
    "p_disk: .long 0\n"
    "p_more: .long 0\n"
    "tiny_code_end:\n"
    ".code64\n"
    ".popsection\n");

static void
put(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
	at[2] = (uint8_t)(v >> 16);
	at[3] = (uint8_t)(v >> 24);
}

void
tiny_sector(const struct tiny_conf *c, uint8_t ret[512])
{
	uint8_t *p = ret + (tiny_params - tiny_code);

	memset(ret, 0, 512);
	memcpy(ret, tiny_code, (size_t)(tiny_code_end - tiny_code));
	put(p, c->pages_a_tick);
	put(p + 4, c->from_bytes);
	put(p + 8, c->to_bytes);
	put(p + 12, c->disk_ticks);
	put(p + 16, c->more_pages);
	ret[510] = 0x55;
	ret[511] = 0xaa;
}

int
tiny_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(sa.sun_path))
		return -EINVAL;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static void
hear_one(struct tiny_ear *e, uint8_t b)
{
	if (b & 0x80) {
		uint32_t lost = (b - e->acked - 1u) & 0x7f;

		e->acked += 1 + lost;
		e->n_lost += lost;
		return;
	}
	if (e->heard)
		e->n_lost += ((unsigned)b - e->tick - 1u) & 0x7f;
	e->heard = true;
	e->tick = b;
	e->n_ticks++;
}

int
tiny_hear(struct tiny_ear *e, int fd)
{
	uint8_t buf[512];
	ssize_t r = recv(fd, buf, sizeof(buf), MSG_DONTWAIT), i;
	uint64_t now = av_clock_ns();

	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (r == 0)
		return -ECONNRESET;
	if (e->last_ns != 0 && now - e->last_ns > e->gap_ns) {
		e->gap_ns = now - e->last_ns;
		e->gap_end_ns = now;
	}
	e->last_ns = now;
	for (i = 0; i < r; i++)
		hear_one(e, buf[i]);
	return (int)r;
}
