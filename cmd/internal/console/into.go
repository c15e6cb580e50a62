package console

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

// Into gives a command the flag --out: what it would print is written into that file,
// which only its owner can read, whole or not at all. When the file is there the command
// does nothing, so that a start that makes secrets can be repeated, and where there is
// no shell to do it (in a container) a file can be made.
func (c *Console) Into(cmd *cobra.Command) *cobra.Command {
	var file string
	cmd.Flags().StringVar(&file, "out", "", "write it into `FILE`, of mode 600, instead of printing it; when FILE is there, do nothing")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if file == "" {
			return run(cmd, args)
		}
		if _, err := os.Lstat(file); err == nil {
			fmt.Fprintf(c.Err, "%s is there: nothing to do\n", file)
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("--out: %w", err)
		}
		return c.into(file, func() error { return run(cmd, args) })
	}
	return cmd
}

// into has what run prints in the file when run has succeeded.
func (c *Console) into(file string, run func() error) error {
	making := file + ".new"
	f, err := os.OpenFile(making, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	out := c.Out
	c.Out = f
	err = run()
	c.Out = out
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(making))
	}
	if err := os.Rename(making, file); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	return nil
}
