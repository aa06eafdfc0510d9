/* SPDX-License-Identifier: MIT */
#ifndef XENSPLIT_TOOLS_VERSION_H
#define XENSPLIT_TOOLS_VERSION_H

#define XENSPLIT_VERSION "0.1.0"

#endif
