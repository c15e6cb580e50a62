// Package server runs one node: its flags, environment and file become a
// node.Config.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/cmd/internal/contexts"
	"github.com/sipcluster/sipcluster/node"
)

// Command is server.
func Command(c *console.Console) *cobra.Command {
	var s serverFlags
	var file string
	cmd := &cobra.Command{
		Use: "server", Short: "Run one node", Args: cobra.NoArgs,
		Long: `Run one node until SIGINT or SIGTERM; a second signal ends it at once.

Every flag can also be set in the environment (--data-dir as SIPCLUSTER_DATA_DIR)
and in a YAML file of --config (data-dir: ...). A flag wins over the environment,
which wins over the file. --bootstrap and --join do nothing once the data
directory belongs to a cluster, so they can stay in a unit file.`,
		Example: `  sipcluster server --node sip1 --site dc1 --data-dir /var/lib/sipcluster --bind 10.0.1.10 --bootstrap
  sipcluster server --node sip2 --site dc2 --data-dir /var/lib/sipcluster --bind 10.0.2.10 --join 10.0.1.10:7002`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fill(cmd.Flags(), c.Getenv, file); err != nil {
				return err
			}
			config, err := s.config(c.Err)
			if err != nil {
				return err
			}
			if !s.dev { // sipcluster dev keeps contexts of its own
				config.Founded = func(file string, first credential.Context) { founded(c, s.realm, file, first) }
			}
			n, err := node.New(config)
			if errors.Is(err, node.ErrConfig) {
				return console.Usagef("%w", err)
			}
			if err == nil {
				err = runNode(cmd.Context(), n)
			}
			if err != nil {
				return fmt.Errorf("node %s: %w", s.node, err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML `FILE` whose keys are the names of these flags")
	s.add(cmd.Flags())
	return cmd
}

// founded keeps the first administrator of a new cluster among the user's contexts,
// where there is a place for them, and says so in one line.
func founded(c *console.Console, name, file string, first credential.Context) {
	path, err := contexts.Path(c.Getenv)
	if err == nil {
		err = contexts.Change(path, func(f *contexts.File) error {
			first.Name = f.FreeName(name, first.Cluster)
			f.Put(first)
			if f.Current == "" {
				f.Current = first.Name
			}
			return nil
		})
	}
	if err != nil {
		fmt.Fprintf(c.Err, "sipcluster: the first administrator of this cluster is in %s: sipcluster login --file %s\n", file, file)
		return
	}
	fmt.Fprintf(c.Err, "sipcluster: the first administrator of this cluster is context %s in %s, and in %s\n", first.Name, path, file)
}

// runNode runs the node of a process of its own.
func runNode(ctx context.Context, n *node.Node) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { growHeap(ctx) })
	defer beside.Wait()
	defer cancel()
	return n.Run(ctx)
}

func (s *serverFlags) config(stderr io.Writer) (node.Config, error) {
	if err := s.check(); err != nil {
		return node.Config{}, err
	}
	log, err := s.logger(stderr)
	if err != nil {
		return node.Config{}, err
	}
	key, err := s.clusterKey()
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{
		Name: s.node, Site: s.site, DataDir: s.dataDir, Bind: s.bind,
		SIPAddr: s.sip, DefaultAddr: s.defaultPort, TCAddr: s.tc,
		TLSAddr: s.sipTLS, WSAddr: s.sipWS, WSSAddr: s.sipWSS, CertFile: s.sipCert, KeyFile: s.sipKey, ClientCAFile: s.sipClientCA, Origins: s.sipOrigins,
		ClusterAddr: s.cluster, GossipAddr: s.gossip, HTTPAddr: s.httpd,
		Bootstrap: s.bootstrap, Join: s.join, InviteFile: s.inviteFile, JoinTimeout: s.joinTimeout, Realm: s.realm,
		ClusterKey: key, LinkTimeout: s.linkTimeout, SIPRate: s.sipRate, SnapshotAfter: s.snapshotAfter,
		Insecure: s.insecure, Dev: s.dev, Debug: s.debug, Version: Version(), Log: log,
	}, nil
}
