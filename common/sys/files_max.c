#include "sys/files_max.h"

#include <sys/resource.h>

uint64_t files_max_wanted(const struct config_limits *limits)
{
    return (uint64_t)FILES_DOORS * limits->connections + FILES_OWN;
}

uint64_t files_max_raise(uint64_t wanted)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    struct rlimit more = {wanted, wanted};
    if (files.rlim_max < wanted && setrlimit(RLIMIT_NOFILE, &more) == 0)
        return wanted;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : 0;
}
