package main

import (
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/sipcluster/sipcluster/cmd/internal/server"
)

// manualCommand writes what packages install beside the program: a page of the manual for
// each command, and the completions of three shells.
func manualCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR", Short: "Write the manual's pages and the shells' completions", Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error {
			pages := filepath.Join(args[0], "man1")
			if err := os.MkdirAll(pages, 0o755); err != nil {
				return err
			}
			root.DisableAutoGenTag = true
			date := time.Unix(0, 0) // the same for the same program
			header := &doc.GenManHeader{Title: "SIPCLUSTER", Section: "1", Date: &date, Source: "sipcluster " + server.Version(), Manual: "sipcluster"}
			if err := doc.GenManTree(root, header, pages); err != nil {
				return err
			}
			for name, write := range map[string]func(string) error{
				"sipcluster.bash": func(f string) error { return root.GenBashCompletionFileV2(f, true) },
				"_sipcluster":     root.GenZshCompletionFile,
				"sipcluster.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
			} {
				if err := write(filepath.Join(args[0], name)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
