package sqlite

import (
	"errors"
	"os"
	"syscall"
)

// ERROR_SHARING_VIOLATION: somebody has the file open and lets nobody else write.
const errLocked = syscall.Errno(32)

func openLock(name string) (*os.File, error) {
	p, err := syscall.UTF16PtrFromString(name)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(p, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil, syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(h), name), nil
}

func full(err error) bool { return errors.Is(err, syscall.Errno(112)) } // ERROR_DISK_FULL
