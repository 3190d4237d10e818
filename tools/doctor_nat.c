// SPDX-License-Identifier: GPL-2.0-only
#include "doctor.h"
void doctor_nat(struct doctor *doctor) { (void)doctor; }
