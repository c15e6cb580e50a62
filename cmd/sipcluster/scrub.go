package main

import (
	"strings"
	"unsafe"
)

// takeArgs returns a copy of the arguments behind the program's name, and
// overwrites the value of --password in the process's own memory: on Linux
// os.Args aliases what `ps` and /proc/PID/cmdline show. Call it before
// anything else; the password can still be seen in the moment before.
func takeArgs(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	args := make([]string, 0, len(argv)-1)
	for _, a := range argv[1:] {
		args = append(args, strings.Clone(a))
	}
	for i, a := range argv[1:] {
		switch {
		case a == "--":
			return args
		case a == "--password" && i+2 < len(argv):
			overwrite(argv[i+2])
		case strings.HasPrefix(a, "--password="):
			overwrite(a[len("--password="):])
		}
	}
	return args
}

// overwrite writes over the bytes of s in place. It may only be called with
// strings that lie in the argument area of the process, which is writable.
func overwrite(s string) {
	if s == "" {
		return
	}
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	for i := range b {
		b[i] = 'x'
	}
}
