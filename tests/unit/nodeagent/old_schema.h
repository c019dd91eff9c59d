/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/nodeagent/old_schema.h - SQL that makes an older version's database
 *				      of a new one, step by step
 */
#ifndef AV_TEST_OLD_SCHEMA_H
#define AV_TEST_OLD_SCHEMA_H

#define OLD_SCHEMA_4 \
	"DROP TABLE fault; DROP TABLE maintenance;" \
	"ALTER TABLE unit DROP COLUMN go_home;" \
	"ALTER TABLE vm DROP COLUMN home;" \
	"ALTER TABLE vm DROP COLUMN moving_to;" \
	"ALTER TABLE vm DROP COLUMN move_id;" \
	"ALTER TABLE vm DROP COLUMN move_run;" \
	"ALTER TABLE vm DROP COLUMN move_from;" \
	"ALTER TABLE vm DROP COLUMN move_target;" \
	"ALTER TABLE vm DROP COLUMN move_by;" \
	"ALTER TABLE vm DROP COLUMN move_started_ms;" \
	"ALTER TABLE vm DROP COLUMN move_ended_ms;" \
	"ALTER TABLE vm DROP COLUMN move_result;" \
	"ALTER TABLE vm DROP COLUMN move_code;" \
	"ALTER TABLE vm DROP COLUMN move_text;" \
	"PRAGMA user_version = 4;"
#define OLD_SCHEMA_3 OLD_SCHEMA_4 \
	"ALTER TABLE unit DROP COLUMN resync_rate_kib_s;" \
	"ALTER TABLE unit DROP COLUMN verify_every;" \
	"ALTER TABLE unit DROP COLUMN verify_day;" \
	"ALTER TABLE unit DROP COLUMN verify_hour;" \
	"ALTER TABLE unit DROP COLUMN verify_repair;" \
	"ALTER TABLE volume DROP COLUMN resync_paused;" \
	"ALTER TABLE volume DROP COLUMN leg_failed;" \
	"ALTER TABLE volume DROP COLUMN leg_failed_ms;" \
	"ALTER TABLE volume DROP COLUMN leg_failed_text;" \
	"ALTER TABLE volume DROP COLUMN leg_replace;" \
	"ALTER TABLE volume DROP COLUMN verify_run;" \
	"ALTER TABLE volume DROP COLUMN verify_active;" \
	"ALTER TABLE volume DROP COLUMN verify_repair;" \
	"ALTER TABLE volume DROP COLUMN verify_by;" \
	"ALTER TABLE volume DROP COLUMN verify_started_ms;" \
	"ALTER TABLE volume DROP COLUMN verify_ended_ms;" \
	"ALTER TABLE volume DROP COLUMN verify_result;" \
	"ALTER TABLE volume DROP COLUMN verify_found;" \
	"ALTER TABLE volume DROP COLUMN verify_repaired;" \
	"ALTER TABLE volume DROP COLUMN verify_text;" \
	"PRAGMA user_version = 3;"
#define OLD_SCHEMA_2 OLD_SCHEMA_3 \
	"DROP TABLE quorum; DROP TABLE quorum_server; PRAGMA user_version = 2;"
#define OLD_SCHEMA_1 OLD_SCHEMA_2 \
	"DROP TABLE mtbf; PRAGMA user_version = 1;"

#endif
