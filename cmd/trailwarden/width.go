//go:build linux || darwin

package main

import (
	"syscall"
	"unsafe"
)

// columns is how wide the terminal is that w leads to; 0 when it is none, or does not say.
func columns(w any) int {
	f, ok := fileOf(w)
	if !ok || !terminal(w) {
		return 0
	}
	var size struct{ rows, columns, x, y uint16 }
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		return 0
	}
	return int(size.columns)
}
