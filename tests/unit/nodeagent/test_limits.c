/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The worked examples of spec B1 and B2.
 */
#include "nodeagent/core/limits.h"
#include "tests/test.h"

TEST(two_sockets_of_six_cores_with_hyper_threading)
{
	const struct limits_cpus cpus = { 24, 12, 2 };
	struct limits_vcpus v;

	limits_vcpus_of(&cpus, &v);
	CHECK_EQ(v.total, 24);
	CHECK_EQ(v.recommended, 22);
	CHECK_EQ(v.limit, 24);
	return 0;
}

TEST(two_sockets_of_six_cores_without)
{
	const struct limits_cpus cpus = { 12, 12, 2 };
	struct limits_vcpus v;

	limits_vcpus_of(&cpus, &v);
	CHECK_EQ(v.total, 12);
	CHECK_EQ(v.recommended, 10);
	CHECK_EQ(v.limit, 24);
	return 0;
}

TEST(a_small_pm_can_run_something)
{
	const struct limits_cpus two = { 2, 2, 1 }, one = { 1, 1, 1 };
	struct limits_vcpus v;

	limits_vcpus_of(&two, &v);
	CHECK_EQ(v.recommended, 1);
	CHECK_EQ(v.limit, 4);
	limits_vcpus_of(&one, &v);
	CHECK_EQ(v.recommended, 1);
	CHECK_EQ(v.limit, 2);
	return 0;
}

TEST(sixteen_and_eight_gb_make_seven_usable)
{
	const struct limits_pm pms[2] = {
		{ { 24, 12, 2 }, 16ull << 30, 20 },
		{ { 4, 4, 1 }, 8ull << 30, 10 } };
	struct limits_unit u;

	limits_unit_of(pms, &u);
	CHECK_EQ(u.memory_bytes, 7ull << 30);
	CHECK_EQ(u.vcpus.limit, 8);
	CHECK_EQ(u.vcpus.recommended, 2);
	CHECK_EQ(u.storage_bytes, 10);
	return 0;
}

TEST(a_pm_that_has_not_reported_is_left_out)
{
	const struct limits_pm pms[2] = {
		{ { 0, 0, 0 }, 0, 0 }, { { 4, 4, 1 }, 4ull << 30, 10 } };
	const struct limits_pm none[2] = { 0 };
	struct limits_unit u;

	limits_unit_of(pms, &u);
	CHECK_EQ(u.memory_bytes, 3ull << 30);
	CHECK_EQ(u.vcpus.limit, 8);
	CHECK_EQ(u.storage_bytes, 10);
	limits_unit_of(none, &u);
	CHECK_EQ(u.memory_bytes, 0);
	CHECK_EQ(u.vcpus.limit, 0);
	return 0;
}

TEST(numbers)
{
	CHECK_EQ(limits_memory_min(true), 600ull << 20);
	CHECK_EQ(limits_memory_min(false), 256ull << 20);
	CHECK_EQ(limits_volume_round(1), 1 << 20);
	CHECK_EQ(limits_volume_round(1 << 20), 1 << 20);
	CHECK_EQ(limits_volume_round((1 << 20) + 1), 2 << 20);
	CHECK_EQ(limits_missing(10, 4, 6), 0);
	CHECK_EQ(limits_missing(10, 4, 7), 1);
	CHECK_EQ(limits_missing(10, 12, 7), 7);
	return 0;
}

TESTS_MAIN(T(two_sockets_of_six_cores_with_hyper_threading),
    T(two_sockets_of_six_cores_without), T(a_small_pm_can_run_something),
    T(sixteen_and_eight_gb_make_seven_usable),
    T(a_pm_that_has_not_reported_is_left_out), T(numbers))
