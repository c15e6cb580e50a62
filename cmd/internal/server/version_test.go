package server

import (
	"runtime/debug"
	"testing"
)

func TestVersion_NamesTheCommitOnce(t *testing.T) {
	const commit = "28d4841e0587f5a8c1b7d1f0a2c3d4e5f6a7b8c9"
	for _, c := range []struct{ version, commit, modified, want string }{
		{"(devel)", commit, "false", "devel 28d4841e0587 go1.26"},
		{"(devel)", commit, "true", "devel 28d4841e0587+ go1.26"},
		{"", "", "", "devel go1.26"},
		{"v1.2.3", commit, "false", "v1.2.3 28d4841e0587 go1.26"},
		{"v0.0.0-20261126055316-28d4841e0587", commit, "false", "v0.0.0-20261126055316-28d4841e0587 go1.26"},
		{"v0.0.0-20261126055316-28d4841e0587+dirty", commit, "true", "v0.0.0-20261126055316-28d4841e0587+dirty go1.26"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1.26", Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: c.commit}, {Key: "vcs.modified", Value: c.modified}}}
		info.Main.Version = c.version
		if got := version(info); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
