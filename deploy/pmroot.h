/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deploy/pmroot.h - the private file tree of a machine of the try unit
 *
 * A machine sees the host's programs and its own state.  Its root is a tmpfs:
 * /usr, /dev, /home ... are the host's by bind mount; the entries of /etc,
 * /var/lib and /var/log are links to the host's, which stand under /.host;
 * and these are the machine's own, from its folder DIR:
 *
 *	/etc/avpair /etc/corosync	DIR/etc/avpair, DIR/etc/corosync
 *	/var/lib/avpair			DIR/lib
 *	/var/lib/corosync		DIR/corosync
 *	/var/log/avpair			DIR/log
 *	/avpair				DIR/../prog: the product's programs
 *	/run /dev/shm /proc /sys	fresh
 *	/etc/hostname, hosts, resolv.conf
 *
 * Nothing on the host is created, changed or mounted over, so any number of
 * units stand side by side.
 */
#ifndef AV_PMROOT_H
#define AV_PMROOT_H

struct av_err;

/*
 * Call in new mount, pid, network and UTS namespaces, as pid 1 of the pid
 * namespace.  'dir' is an absolute path.  On error the namespaces are good for
 * nothing but exit.
 */
int pmroot_enter(const char *dir, const char *hostname, struct av_err *err);

#endif
