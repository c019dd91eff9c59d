/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * avcli/commands.c - the table itself
 *
 * Only data.  Summaries and help lines are keys of the translations.
 */
#include "avcli/command.h"
#include "base/str.h"

#define DRY_RUN	{ "dry-run", 0, OPT_FLAG, NULL, \
	"check everything, change nothing", NULL }
#define WAIT	{ "wait", 'w', OPT_FLAG, NULL, \
	"return when it has arrived or failed", NULL }
#define END	{ NULL, 0, OPT_FLAG, NULL, NULL, NULL }

const struct opt_def global_opts[] = {
	{ "host", 'H', OPT_ONE, "HOST[:PORT]",
	    "the unit's address; without it the local console's socket", NULL },
	{ "hostname", 0, OPT_ONE, "HOST[:PORT]", "the same as --host", NULL },
	{ "user", 'u', OPT_ONE, "USER", "the user to log in as", NULL },
	{ "username", 0, OPT_ONE, "USER", "the same as --user", NULL },
	{ "password-file", 0, OPT_ONE, "FILE",
	    "file whose first line is the password", "file" },
	{ "password", 'p', OPT_ONE, "PASSWORD",
	    "refused: everyone on the machine can read it", NULL },
	{ "cacert", 0, OPT_ONE, "FILE",
	    "certificate authority to trust (PEM)", "file" },
	{ "insecure", 0, OPT_FLAG, NULL,
	    "don't check whose certificate it is", NULL },
	{ "socket", 0, OPT_ONE, "PATH", "the local console's socket", "file" },
	{ "xml", 'x', OPT_FLAG, NULL, "XML output", NULL },
	{ "json", 0, OPT_FLAG, NULL, "JSON output, as the API gives it", NULL },
	{ "quiet", 'q', OPT_FLAG, NULL, "only errors (create: only the id)",
	    NULL },
	{ "timeout", 0, OPT_ONE, "SECONDS",
	    "give up after so long (exit status 7)", NULL },
	{ "help", 'h', OPT_FLAG, NULL, "help for the command", NULL },
	{ "version", 'V', OPT_FLAG, NULL, "avcli's version", NULL },
	END,
};

static const struct opt_def create_opts[] = {
	{ "name", 0, OPT_ONE, "NAME", "the VM's name", NULL },
	{ "name-file", 0, OPT_ONE, "FILE",
	    "file that holds the name in UTF-8 (one line)", "file" },
	{ "cpu", 0, OPT_ONE, "N", "virtual CPUs (default 1)", NULL },
	{ "memory", 0, OPT_ONE, "SIZE", "memory: 300M, \"1 GiB\"", NULL },
	{ "volumes", 0, OPT_LIST, "SIZE[,GROUP[,NAME]][,image=FILE]",
	    "volumes; the first is the boot volume", NULL },
	{ "image", 0, OPT_ONE, "FILE",
	    "image to copy into the first volume", "image" },
	{ "interfaces", 0, OPT_LIST, "NETWORK[,mac=MAC]",
	    "networks to connect to", "network" },
	{ "description", 0, OPT_ONE, "TEXT", "a note for people", NULL },
	{ "os", 0, OPT_ONE, "linux|windows|other", "what will run in it (default linux)", "os" },
	{ "preferred", 0, OPT_ONE, "NODE", "where it runs if it can", "node" },
	{ "start", 0, OPT_FLAG, NULL, "start it when it is ready", NULL },
	DRY_RUN, WAIT, END,
};
static const struct opt_def change_opts[] = { DRY_RUN, WAIT, END };
static const struct opt_def rename_opts[] = {
	{ "name-file", 0, OPT_ONE, "FILE",
	    "file that holds the new name in UTF-8 (one line)", "file" },
	DRY_RUN, END,
};
static const struct opt_def delete_opts[] = {
	{ "keep", 0, OPT_REPEAT, "VOLUME", "a volume that stays", "volume" },
	DRY_RUN, WAIT, END,
};
static const struct opt_def takeover_opts[] = {
	{ "yes", 0, OPT_FLAG, NULL,
	    "I know that the other PM's newer data may be lost", NULL },
	DRY_RUN, END,
};
static const struct opt_def workon_opts[] = {
	{ "shutdown", 0, OPT_FLAG, NULL,
	    "shut down VMs that can't be moved while they run", NULL },
	DRY_RUN, WAIT, END,
};
static const struct opt_def verify_opts[] = {
	{ "repair", 0, OPT_FLAG, NULL,
	    "copy what differs from the PM that leads the volume", NULL },
	DRY_RUN, WAIT, END,
};
static const struct opt_def configure_opts[] = {
	{ "resync-limit", 0, OPT_ONE, "SIZE|none",
	    "copying and verifying, a volume and second: 50M", NULL },
	{ "verify", 0, OPT_ONE, "off|weekly|monthly[,DAY[,HOUR]]",
	    "when the volumes are verified: monthly,sun,3", NULL },
	{ "verify-repair", 0, OPT_FLAG, NULL,
	    "and what differs is repaired (with --verify)", NULL },
	{ "go-home", 0, OPT_ONE, "yes|no",
	    "VMs that a failover took away go back by themselves", NULL },
	DRY_RUN, END,
};
static const struct opt_def dry_opts[] = { DRY_RUN, END };
static const struct opt_def migrate_opts[] = {
	{ "to", 0, OPT_ONE, "NODE", "where to; without it the other PM", "node" },
	WAIT, DRY_RUN, END,
};
static const struct opt_def prefer_opts[] = {
	{ "node", 0, OPT_ONE, "NODE|none", "the PM that it belongs on", "node" },
	DRY_RUN, END,
};
static const struct opt_def mtbf_opts[] = {
	{ "policy", 0, OPT_ONE, "threshold|always|never",
	    "what a failure leads to", NULL },
	{ "threshold", 0, OPT_ONE, "SECONDS",
	    "it stays down below this mean time between failures", NULL },
	{ "failures", 0, OPT_ONE, "N", "judge from the Nth failure on", NULL },
	DRY_RUN, END,
};
static const struct opt_def quorum_opts[] = {
	{ "kind", 0, OPT_ONE, "etcd|ping", "what answers there (default etcd)",
	    NULL },
	{ "preferred", 0, OPT_FLAG, NULL,
	    "ask it before the other one, which becomes the alternate", NULL },
	{ "alternate", 0, OPT_FLAG, NULL,
	    "ask it only while the other one is away", NULL },
	{ "ca", 0, OPT_ONE, "FILE", "who signed its certificate (PEM)", "file" },
	{ "cert", 0, OPT_ONE, "FILE", "the PMs' client certificate (PEM)",
	    "file" },
	{ "key", 0, OPT_ONE, "FILE", "the client certificate's key (PEM)",
	    "file" },
	DRY_RUN, END,
};
static const struct opt_def split_opts[] = {
	{ "keep", 0, OPT_ONE, "NODE", "whose data is kept", "node" },
	{ "yes", 0, OPT_FLAG, NULL,
	    "I know that what only the other PM has is lost", NULL },
	DRY_RUN, END,
};
static const struct opt_def alert_opts[] = {
	{ "open", 0, OPT_FLAG, NULL, "only alerts that are open now", NULL },
	END,
};
static const struct opt_def audit_opts[] = {
	{ "limit", 0, OPT_ONE, "N", "at most so many lines", NULL },
	{ "before", 0, OPT_ONE, "ID", "only lines before this one", NULL },
	END,
};
static const struct opt_def password_opts[] = {
	{ "new-password-file", 0, OPT_ONE, "FILE",
	    "file whose first line is the new password", "file" },
	END,
};
static const struct opt_def event_opts[] = {
	{ "count", 0, OPT_ONE, "N", "stop after so many events", NULL },
	END,
};

const struct command commands[] = {
	{ "unit", "info", NULL, "", "the unit: state, resources, links",
	    0, 0, NULL, NULL, run_unit_info, false },
	{ "unit", "configure", NULL, "[OPTION...]",
	    "change the unit's settings",
	    0, 0, NULL, configure_opts, run_unit_configure, false },
	{ "unit", "takeover", NULL, "",
	    "run alone without proof that this PM's data is the newest",
	    0, 0, NULL, takeover_opts, run_unit_takeover, false },
	{ "split", "info", NULL, "",
	    "after both PMs ran alone: what each of them holds",
	    0, 0, NULL, NULL, run_split_info, false },
	{ "split", "resolve", NULL, "VOLUME|VM|unit --keep NODE",
	    "choose whose data of it is kept",
	    1, 1, "volume", split_opts, run_split_resolve, false },
	{ "node", "info", NULL, "[NODE...]", "the physical machines",
	    0, MANY, "node", NULL, run_list_info, false },
	{ "node", "set-mtbf", NULL, "NODE... [OPTION...]",
	    "say when a PM that fails is left out",
	    1, MANY, "node", mtbf_opts, run_mtbf, false },
	{ "node", "clear-mtbf", "pm-clear-mtbf", "NODE...",
	    "clear the failure counters of PMs; they take part again",
	    1, MANY, "node", dry_opts, run_mtbf, false },
	{ "node", "workon", "node-workon", "NODE",
	    "take a PM out for maintenance: its VMs move to the other one",
	    1, 1, "node", workon_opts, run_node_maintenance, false },
	{ "node", "workoff", "node-workoff", "NODE",
	    "bring a PM back from maintenance",
	    1, 1, "node", change_opts, run_node_maintenance, false },
	{ "vm", "create", NULL, "--name NAME --memory SIZE [OPTION...]",
	    "make a virtual machine",
	    0, 0, NULL, create_opts, run_vm_create, false },
	{ "vm", "info", NULL, "[VM...]", "the virtual machines",
	    0, MANY, "vm", NULL, run_list_info, false },
	{ "vm", "poweron", NULL, "VM...", "start virtual machines",
	    1, MANY, "vm", change_opts, run_vm_verb, false },
	{ "vm", "shutdown", NULL, "VM...",
	    "ask the guests to shut down",
	    1, MANY, "vm", change_opts, run_vm_verb, false },
	{ "vm", "poweroff", NULL, "VM...", "stop virtual machines at once",
	    1, MANY, "vm", change_opts, run_vm_verb, false },
	{ "vm", "migrate", NULL, "VM...",
	    "move running virtual machines to the other PM",
	    1, MANY, "vm", migrate_opts, run_vm_move, false },
	{ "vm", "migrate-cancel", NULL, "VM...",
	    "cancel moves; the virtual machines stay where they are",
	    1, MANY, "vm", dry_opts, run_vm_move, false },
	{ "vm", "prefer", NULL, "VM... --node NODE|none",
	    "say on which PM virtual machines belong",
	    1, MANY, "vm", prefer_opts, run_vm_move, false },
	{ "vm", "reset-device", "localvm-clear-mtbf", "VM...",
	    "clear the crash counters; start VMs that were kept down",
	    1, MANY, "vm", dry_opts, run_mtbf, false },
	{ "vm", "set-mtbf", NULL, "VM... [OPTION...]",
	    "say when a VM that crashes stays down",
	    1, MANY, "vm", mtbf_opts, run_mtbf, false },
	{ "vm", "delete", NULL, "VM...",
	    "remove virtual machines and their volumes",
	    1, MANY, "vm", delete_opts, run_delete, false },
	{ "vm", "rename", NULL, "VM [NAME]", "give a virtual machine another name",
	    1, 2, "vm", rename_opts, run_vm_rename, false },
	{ "volume", "info", NULL, "[VOLUME...]", "the volumes and their copies",
	    0, MANY, "volume", NULL, run_list_info, false },
	{ "volume", "delete", NULL, "VOLUME...", "remove volumes",
	    1, MANY, "volume", change_opts, run_delete, false },
	{ "volume", "resize", NULL, "VOLUME SIZE", "make a volume larger",
	    2, 2, "volume", change_opts, run_volume_resize, false },
	{ "volume", "verify", NULL, "VOLUME...",
	    "compare the two copies of volumes",
	    1, MANY, "volume", verify_opts, run_volume_verb, false },
	{ "volume", "verify-cancel", NULL, "VOLUME...", "end a verify",
	    1, MANY, "volume", dry_opts, run_volume_verb, false },
	{ "volume", "resync-pause", NULL, "VOLUME...",
	    "pause the copying between the PMs, until it is resumed",
	    1, MANY, "volume", dry_opts, run_volume_verb, false },
	{ "volume", "resync-resume", NULL, "VOLUME...",
	    "resume the copying between the PMs",
	    1, MANY, "volume", dry_opts, run_volume_verb, false },
	{ "volume", "replace-leg", NULL, "VOLUME...",
	    "make a copy anew whose disk failed and was replaced",
	    1, MANY, "volume", change_opts, run_volume_verb, false },
	{ "network", "info", NULL, "[NETWORK...]", "the networks",
	    0, MANY, "network", NULL, run_list_info, false },
	{ "quorum", "info", NULL, "[SERVER...]",
	    "the quorum servers: who decides when the PMs lose each other",
	    0, MANY, "quorum", NULL, run_list_info, false },
	{ "quorum", "add", NULL, "ADDRESS", "add a quorum server",
	    1, 1, NULL, quorum_opts, run_quorum_add, false },
	{ "quorum", "remove", NULL, "SERVER...", "remove quorum servers",
	    1, MANY, "quorum", change_opts, run_delete, false },
	{ "storage", "info", NULL, "[GROUP...]", "the storage groups",
	    0, MANY, "storage", NULL, run_list_info, false },
	{ "image", "info", NULL, "[IMAGE...]", "the images",
	    0, MANY, "image", NULL, run_list_info, false },
	{ "alert", "info", NULL, "[ALERT...]",
	    "the alerts: what is wrong and what to do",
	    0, MANY, "alert", alert_opts, run_list_info, false },
	{ "audit", "info", NULL, "", "the audit log: who did what",
	    0, 0, NULL, audit_opts, run_audit_info, false },
	{ "user", "info", "local-user-info", "[USER...]", "the users",
	    0, MANY, "user", NULL, run_list_info, false },
	{ "user", "password", NULL, "[USER]", "change a password",
	    0, 1, "user", password_opts, run_user_password, false },
	{ "event", "follow", NULL, "", "print changes as they happen",
	    0, 0, NULL, event_opts, run_event_follow, false },
	{ "login", NULL, NULL, "", "log in and keep the session",
	    0, 0, NULL, NULL, run_login, false },
	{ "logout", NULL, NULL, "", "end the kept session",
	    0, 0, NULL, NULL, run_logout, false },
	{ "help", NULL, NULL, "[COMMAND]", "this list, or one command",
	    0, 2, "command", NULL, run_help, false },
	{ "version", NULL, NULL, "", "versions of avcli and of the unit",
	    0, 0, NULL, NULL, run_version, false },
	{ "completion", "bash", NULL, "", "print bash's completion script",
	    0, 0, NULL, NULL, run_completion, false },
	{ "complete-words", NULL, NULL, "WORD...", "for the completion script",
	    0, MANY, NULL, NULL, run_complete_words, true },
};
const size_t n_commands = ARRAY_SIZE(commands);
