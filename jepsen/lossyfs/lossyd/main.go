// Command lossyd serves a lossyfs at a directory and takes the orders of the
// test that started it from its standard input.
package main

import (
	"fmt"
	"os"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lossyd DIRECTORY")
		os.Exit(2)
	}
	if err := lossyfs.Serve(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
