// SPDX-License-Identifier: BSD-2-Clause
// Stands in front of zfs and zpool on a lab host: numbers the calls that zrepd makes while it is
// armed, and at one of them asks for a fault. A program of its own because each shell or Python
// would cost a guest 20 to 500 ms.
//
// /lab/faults is a folder of the outer machine. What passes through it are names and links, never
// contents: those would stay in the guest's cache, and be gone with its power.
//   HOST.point    link to "SERIAL NUMBER before|during|after FAULT all|changes KEY"; armed while it
//   is there. It is about the NUMBERth call that has all parts of KEY, A|B|C, in it; - for any
//   HOST.reached  link to the command line, made here: this is the point
//   HOST.SERIAL   made by the runner: the fault has happened, go on. Of this point only, and never
//   taken away: a busy guest may look for it much later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 60, POLL_MS = 5, MAX_DURING_MS = 80, LINE = 1024, NO_FAULT_HAPPENED = 125 };

struct point {
    char serial[32], when[16], fault[16], which[16], key[160];
    long number;
};

static const char* tool;
static char host[64], real[64], line[LINE];

static char* path(const char* what) {
    static char result[160];
    snprintf(result, sizeof result, "/lab/faults/%s.%s", host, what);
    return result;
}

static int armed(struct point* point) {
    char text[256];
    const ssize_t size = readlink(path("point"), text, sizeof text - 1);
    if (size <= 0) return 0;
    text[size] = 0;
    return sscanf(text,
                  "%31s %ld %15s %15s %15s %159[^\n]",
                  point->serial,
                  &point->number,
                  point->when,
                  point->fault,
                  point->which,
                  point->key) == 6;
}

// What the tests themselves ask ZFS does not count.
static int zrepd_asks(void) {
    char name[64], comm[32] = "";
    snprintf(name, sizeof name, "/proc/%d/comm", (int)getppid());
    const int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    const ssize_t size = read(file, comm, sizeof comm - 1);
    close(file);
    return size > 0 && strncmp(comm, "zrepd\n", 6) == 0;
}

static int counts(const char* verb, const char* which) {
    static const char* const reading[] = {
        "get", "list", "holds", "status", "version", "history", "diff"};
    if (strcmp(tool, "zpool") == 0 && strcmp(verb, "events") == 0) return 0;  // sleeps all the time
    if (strcmp(which, "changes") != 0) return 1;
    for (size_t i = 0; i < sizeof reading / sizeof *reading; ++i) {
        if (strcmp(verb, reading[i]) == 0) return 0;
    }
    return 1;
}

static void describe(char** argv) {
    size_t used = (size_t)snprintf(line, sizeof line, "%s", tool);
    for (char** word = argv + 1; *word != NULL && used < sizeof line; ++word) {
        used += (size_t)snprintf(line + used, sizeof line - used, " %s", *word);
    }
    for (char* at = line; *at != 0; ++at) {
        if (*at == '\n') *at = ' ';
    }
}

static int has_key(const char* text, const char* key) {
    if (strcmp(key, "-") == 0) return 1;
    while (1) {
        char part[160];
        const size_t length = strcspn(key, "|");
        snprintf(part, sizeof part, "%.*s", (int)length, key);
        if (strstr(text, part) == NULL) return 0;
        if (key[length] == 0) return 1;
        key += length + 1;
    }
}

// This call's number among those like it, from 1; 0 when it is not like them. Calls may come at the
// same time.
static long take_number(const struct point* point) {
    char name[96], earlier[LINE + 2];
    snprintf(name, sizeof name, "/run/fault/calls.%s", point->serial);
    FILE* file = fopen(name, "a+e");
    if (file == NULL || flock(fileno(file), LOCK_EX) != 0) return -1;
    long number = 1;
    while (fgets(earlier, sizeof earlier, file) != NULL) number += has_key(earlier, point->key);
    fprintf(file, "%s\n", line);
    fclose(file);
    return has_key(line, point->key) ? number : 0;
}

// Returns once the fault has happened, unless it is our end.
static void strike(const struct point* point) {
    const struct timespec pause_time = {0, POLL_MS * 1000000L};
    const int kills_here = strcmp(point->fault, "kill-here") == 0;
    if (symlink(line, path("reached")) != 0) _exit(NO_FAULT_HAPPENED);
    if (kills_here) kill(getppid(), SIGKILL);  // and us with it: zrepd's children ask for that
    for (int i = 0; i < WAIT_SECONDS * 1000 / POLL_MS; ++i) {
        char unused[8];
        if (!kills_here && readlink(path(point->serial), unused, sizeof unused) >= 0) return;
        nanosleep(&pause_time, NULL);
    }
    _exit(NO_FAULT_HAPPENED);
}

static pid_t start_real(char** argv) {
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child == 0) {
        // As zrepd's own child would: it does not outlive who asked.
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() == self) execv(real, argv);
        _exit(127);
    }
    if (child < 0) _exit(127);
    return child;
}

static int end_of(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) _exit(127);
    }
    return status;
}

// The fault at this point; becomes what the real one became.
static int run_and_strike(char** argv, const struct point* point) {
    const int is_during = strcmp(point->when, "during") == 0;
    const pid_t child = start_real(argv);
    if (is_during) {
        // Another moment each time: it takes 20 ms to start, and a transaction group some more.
        const struct timespec some = {0, (long)(getpid() * 7919L % MAX_DURING_MS) * 1000000L};
        nanosleep(&some, NULL);
        strike(point);
    }
    const int status = end_of(child);
    if (!is_during) strike(point);
    if (WIFSIGNALED(status)) raise(WTERMSIG(status));
    return WEXITSTATUS(status);
}

int main(int argc, char** argv) {
    const char* slash = strrchr(argv[0], '/');
    struct point point;
    tool = slash != NULL ? slash + 1 : argv[0];
    snprintf(real, sizeof real, "/usr/sbin/%s", tool);
    gethostname(host, sizeof host - 1);
    if (armed(&point) && counts(argc > 1 ? argv[1] : "", point.which) && zrepd_asks()) {
        describe(argv);
        const long number = take_number(&point);
        if (number > 0 && number == point.number) {
            if (strcmp(point.when, "before") != 0) return run_and_strike(argv, &point);
            strike(&point);
        }
    }
    execv(real, argv);
    return 127;
}
