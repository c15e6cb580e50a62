package server

import (
	"runtime/debug"
	"strings"
)

// Version is the version as the Go toolchain stamped it, and the commit where that
// does not name it.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return version(info)
}

func version(info *debug.BuildInfo) string {
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+"
			}
		}
	}
	if strings.Contains(version, commit) { // "" too
		return version + " " + info.GoVersion
	}
	return version + " " + commit + dirty + " " + info.GoVersion
}
