//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpu is the processor time that this program has had. Where others use the machine too it says more than the wall time.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
