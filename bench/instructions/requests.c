/* Client requests to callgrind: start counting; write the counts under a name, and stop. */
#include <valgrind/callgrind.h>

int under_valgrind(void)
{
    return (int)RUNNING_ON_VALGRIND;
}

void begin(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS; /* otherwise the first count includes an older total */
}

void end(const char *name)
{
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION; /* after the dump, since it discards the counts */
}
