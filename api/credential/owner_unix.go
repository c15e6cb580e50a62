//go:build unix

package credential

import (
	"io/fs"
	"os"
	"syscall"
)

// mine tells whether a file stays readable to this program when only its owner may
// read it.
func mine(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || os.Geteuid() == 0 || int(s.Uid) == os.Geteuid()
}
