// Command lossyd serves a lossyfs at a directory and takes the orders of the
// test that started it from its standard input.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/sipcluster/sipcluster/jepsen/lossyfs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lossyd DIRECTORY")
		os.Exit(2)
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() { // whoever waits for the file system gets an error
		<-ended
		_ = syscall.Unmount(os.Args[1], syscall.MNT_DETACH)
		os.Exit(1)
	}()
	if err := lossyfs.Serve(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
