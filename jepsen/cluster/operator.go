package cluster

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strings"
)

// Result of a command of the operator.
type Result struct {
	Out, Err string
	// Code is the exit code; -1 when the command was killed.
	Code int
}

// CLI runs the sipcluster program as an operator who sits at the node.
func (n *Node) CLI(ctx context.Context, args ...string) (Result, error) {
	return n.CLIAt(ctx, n.place, args...)
}

// CLIAt runs the sipcluster program elsewhere, with the node as the one to ask.
func (n *Node) CLIAt(ctx context.Context, at *Place, args ...string) (Result, error) {
	cmd := n.command(ctx, args)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := at.Start(cmd); err != nil {
		return Result{}, err
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return Result{Out: stdout.String(), Err: stderr.String(), Code: cmd.ProcessState.ExitCode()}, err
}

// CLILines starts a command that goes on printing, at the node. The channel
// closes when it ends or is stopped.
func (n *Node) CLILines(args ...string) (lines <-chan string, stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := n.command(ctx, args)
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = n.place.Start(cmd)
	}
	if err != nil {
		cancel()
		return nil, nil, err
	}
	out := make(chan string, 1024)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(out)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			select {
			case out <- scan.Text():
			case <-ctx.Done():
			}
		}
		_ = cmd.Wait() // it was killed, as a rule
	}()
	return out, func() { cancel(); <-ended }, nil
}

func (n *Node) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, n.cluster.cfg.Binary, args...)
	cmd.Env = append(n.cluster.environment(), "SIPCLUSTER_ADDR="+n.Addr(TCPort).String())
	return cmd
}
