package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCI_EndsWithWhatItCouldNotRun plays .ci/run with a make that only says
// what chaos says on a machine without namespaces.
func TestCI_EndsWithWhatItCouldNotRun(t *testing.T) {
	line := (&options{scenario: "short", skip: true}).notRun("root,\nip")
	for name, c := range map[string]struct {
		says, want string
		code       int
	}{
		"all ran":                 {"echo fine", "fine", 0},
		"one did not":             {"echo '" + line + "'; echo done", line, 0},
		"one did not, one failed": {"echo '" + line + "'; exit 1", line, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "make"), []byte("#!/bin/sh\n"+c.says+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("../../.ci/run")
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
			out, _ := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			last := lines[len(lines)-1]
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(last, c.want) && c.want == line || (c.want != line) == strings.Contains(string(out), "NOT RUN") {
				t.Errorf("exit code %d, want %d; its last line is %q:\n%s", code, c.code, last, out)
			}
		})
	}
}
