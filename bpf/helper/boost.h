/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own thread that ends a policy gets a priority that no busy task has. */
#ifndef FLEETSCHED_BOOST_H
#define FLEETSCHED_BOOST_H

void boost_detaching(void);	/* after an attach, which makes the thread */

#endif
