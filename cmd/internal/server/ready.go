package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// readyWithin bounds the question: a node that serves answers at once.
const readyWithin = 5 * time.Second

// ReadyCommand is ready: the question of a container's health check, where there is no
// other program to ask it.
func ReadyCommand(c *console.Console) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use: "ready", Short: "Ask the node on this machine whether it serves phones; 1 when it doesn't", Args: cobra.NoArgs,
		Long: `Ask /readyz of the node's HTTP port on this machine, as a container's health check
does: no token is needed. Ends with 0 when the node serves phones, with 1 when it does
not, drains, or does not answer within 5 s. What is well with the cluster says
"sipcluster status --check".`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if v := c.Getenv("SIPCLUSTER_HTTP_ADDR"); v != "" && !cmd.Flags().Changed("http-addr") {
				addr = v
			}
			return console.Doing("ready", askReady(cmd.Context(), addr))
		},
	}
	cmd.Flags().StringVar(&addr, "http-addr", ":7080", "the node's HTTP `HOST:PORT`, as server has it (also SIPCLUSTER_HTTP_ADDR)")
	return cmd
}

func askReady(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return console.Usagef("--http-addr %s: want HOST:PORT or :PORT", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	why, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if text := strings.TrimSpace(string(why)); err == nil && text != "" {
		return errors.New(text)
	}
	return fmt.Errorf("the node answers %s", res.Status)
}
