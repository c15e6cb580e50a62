package console

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
)

// TestInto_MakesTheFileOnceAndWholeOrNotAtAll: a second time nothing is made anew, and a
// command that fails leaves nothing that the next one would take for done.
func TestInto_MakesTheFileOnceAndWholeOrNotAtAll(t *testing.T) {
	file := filepath.Join(t.TempDir(), "invite")
	var out, errs bytes.Buffer
	runs := func(fails error) error {
		c := &Console{Out: &out, Err: &errs}
		cmd := c.Into(&cobra.Command{Use: "make", RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(c.Out, "secret")
			return fails
		}})
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs([]string{"--out", file})
		return cmd.Execute()
	}
	failed := errors.New("no quorum")
	if err := runs(failed); !errors.Is(err, failed) {
		t.Fatalf("a command that fails: %v", err)
	}
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 {
		t.Errorf("a command that failed left %v", left)
	}
	for range 2 {
		if err := runs(nil); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "secret\n" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode: %v, %v", info, err)
	}
	if out.Len() > 0 || errs.String() != file+" is there: nothing to do\n" {
		t.Errorf("printed %q, said %q", out.String(), errs.String())
	}
	if err := runs(failed); err != nil {
		t.Errorf("with the file there nothing is asked: %v", err)
	}
}
