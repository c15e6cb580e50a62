//go:build !linux

package main

import "syscall"

// childAttr has nothing to add where the kernel ties no child to its parent.
func childAttr() *syscall.SysProcAttr { return nil }
