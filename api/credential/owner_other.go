//go:build !unix

package credential

import "io/fs"

func mine(fs.FileInfo) bool { return true }
