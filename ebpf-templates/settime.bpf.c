/* SPDX-License-Identifier: (GPL-2.0 OR MIT) */
/*
 * settime: the system's clock is about to be set.
 *
 * Hook: settime (kernel/time/time.c, do_sys_settimeofday64), for clock_settime(2) of CLOCK_REALTIME and settimeofday(2), the latter
 * also for the time zone alone. The values are the kernel's copies and valid; whether the task may (CAP_SYS_TIME) is decided by
 * the hooks, the kernel's own among them. A refusal makes the call fail with the errno.
 *
 * The time it was before is that of the event: `wall_ns`, which the shell works out when it reads the event. Where the clock was
 * set by then, that is by the new one.
 *
 * Not seen: adjtimex(2) and clock_adjtime(2), by which NTP's programs slew and step the clock, since the kernel has no hook
 * there (they need CAP_SYS_TIME all the same); the hardware's clock (/dev/rtc); clocks of network cards; the kernel's own setting of
 * the clock at boot and after sleep; and the offsets of a time namespace.
 */
enum krsi_hook {
	krsi_hook_settime,
};

#include "include/krsi.bpf.h"

#define SETS(X) X(SETS_TIME, "time", 1) X(SETS_ZONE, "zone", 2)

enum sets { SETS(KRSI_MEMBER) };

struct params {
	krsi_flags sets KRSI_DOC("What is set: the time, the kernel's time zone.") KRSI_DEFAULT("either") KRSI_BITS(SETS(KRSI_NAME));
};

struct event {
	struct krsi_header header;
	u64 time_ns KRSI_DOC("What the clock is to say, since 1970; 0 if only the zone is set.") KRSI_UNIT("ns") KRSI_SUBJECT;
	u32 sets KRSI_DOC("What is set.") KRSI_BITS(SETS(KRSI_NAME));
	s32 minutes_west KRSI_DOC("The zone: minutes west of Greenwich.") KRSI_UNIT("minutes");
} KRSI_TEMPLATE("settime", "System clock changes: clock_settime, settimeofday", "T1070.006 T1562")
KRSI_EXAMPLE("probe(\"settime\", #{sets: \"time\"}).scope(#{not_comm: [\"chronyd\", \"systemd-timesyn\"]}).everywhere().lease(\"8h\").deny(\"EPERM\").attach();")
KRSI_NOT_SEEN("adjtimex and clock_adjtime, by which NTP's programs slew and step the clock: the kernel has no hook there. The "
	      "hardware's clock (/dev/rtc), and the offsets of a time namespace.");

KRSI_SENT_WHOLE;

#include "include/krsi_engine.bpf.h"

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
} __relocated;

struct timezone {
	int tz_minuteswest;
} __relocated;

SEC("lsm/settime")
int settime_set(u64 *context)
{
	/* Either may be NULL, which not every kernel tells the verifier: as numbers they can be asked. */
	struct timespec64 *time = (struct timespec64 *)ADDRESS(ARG(context, 0, void *));
	struct timezone *zone = (struct timezone *)ADDRESS(ARG(context, 1, void *));
	u32 sets = (time ? SETS_TIME : 0) | (zone ? SETS_ZONE : 0);
	int refused = KRSI_REFUSED(context);
	volatile struct settings *settings;
	struct scratch *scratch;
	int result;

	if (refused)
		return refused;
	settings = krsi_enter();
	if (!settings)
		return 0;
	if (settings->params.sets && !(settings->params.sets & sets))
		return krsi_filtered();
	scratch = krsi_take(settings, &result);
	if (!scratch)
		return result;
	scratch->event.sets = sets;
	if (time)
		scratch->event.time_ns = READ(time, tv_sec) * 1000000000 + READ(time, tv_nsec);
	if (zone)
		scratch->event.minutes_west = READ(zone, tz_minuteswest);
	return krsi_decide(context, scratch, krsi_hook_settime, KRSI_MATCH);
}
