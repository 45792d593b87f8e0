/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitor as a client sees it: speaks runtime/session/wire.h and starts what it is told, without
 * a sandbox.  A command whose name begins with '@' makes it misbehave.
 */
#ifndef OC_TESTS_CLIENT_SERVER_H
#define OC_TESTS_CLIENT_SERVER_H

#include <sys/types.h>

/* Serve dir/control in a process of its own.  Returns its pid. */
pid_t server_start(const char *dir);
/* A pipe that reads the words of the last commands, for tests; written by the server. */
extern int server_log[2];

#endif
