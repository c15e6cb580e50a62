package dev

import (
	"syscall"
)

// childAttr keeps the terminal's Ctrl-C from a child, so that its parent can
// end the children in order, and ends the child when the parent dies.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
