// Package server runs one node: its flags, environment and file become a
// node.Config.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
	"github.com/sipcluster/sipcluster/node"
)

// Command is server.
func Command(c *console.Console) *cobra.Command {
	s := settingsOf{getenv: c.Getenv}
	cmd := &cobra.Command{
		Use: "server", Short: "Run one node", Args: cobra.NoArgs,
		Long: `Run one node until SIGINT or SIGTERM; a second signal ends it at once. SIGHUP has
it read its settings and certificates again, SIGUSR1 begins or ends debug messages.

Every flag can also be set in the environment (--data-dir as SIPCLUSTER_DATA_DIR)
and in a YAML file of --config (data-dir: ...). A flag wins over the environment,
which wins over the file. --bootstrap and --join do nothing once the data
directory belongs to a cluster, so they can stay in a unit file.`,
		Example: `  sipcluster server --node sip1 --site dc1 --data-dir /var/lib/sipcluster --bind 10.0.1.10 --bootstrap
  sipcluster server --node sip2 --site dc2 --data-dir /var/lib/sipcluster --bind 10.0.2.10 --join 10.0.1.10:7002`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signals, end := caught() // of the first moment on
			defer end()
			s.flags = cmd.Flags()
			if err := s.fill(); err != nil {
				return err
			}
			return s.run(cmd.Context(), c, signals)
		},
	}
	cmd.Flags().StringVar(&s.file, "config", "", "YAML `FILE` whose keys are the names of these flags")
	s.add(cmd.Flags())
	return cmd
}

// run makes a node of the settings and runs it.
func (s *settingsOf) run(ctx context.Context, c *console.Console, signals <-chan os.Signal) error {
	w := newLogWriter(c.Err)
	go w.run()
	defer w.close()
	own := *c
	own.Err = w
	if err := s.check(); err != nil {
		return err
	}
	config, err := s.config(w)
	if err != nil {
		return err
	}
	config.RecentLog = w.recent.text
	super := newSupervisor(c.Getenv, config.Log)
	if !s.dev { // sipcluster dev keeps contexts of its own
		config.Founded = func(file string, first credential.Context) { founded(&own, s.realm, file, first) }
	}
	var n *node.Node
	config.Serving = func(ctx context.Context) {
		super.tell("READY=1")
		super.watch(ctx, n.Alive)
	}
	heap := newHeap(storedAt(config.DataDir))
	n, err = open(ctx, config)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // told to stop while it loaded
	}
	if errors.Is(err, node.ErrConfig) {
		return console.Usagef("%w", err)
	}
	if err == nil {
		err = s.beside(ctx, n, heap, super, signals)
	}
	closeSockets(err)
	if err != nil {
		return fmt.Errorf("node %s: %w", s.node, err)
	}
	return nil
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

// beside runs the node of a process of its own, and what goes on beside it.
func (s *settingsOf) beside(ctx context.Context, n *node.Node, h *heap, super supervisor, signals <-chan os.Signal) error {
	stopping := context.AfterFunc(ctx, func() { super.tell("STOPPING=1") })
	defer stopping()
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { h.grow(ctx) })
	wg.Go(func() { s.obey(ctx, n, super, signals) })
	defer wg.Wait()
	defer cancel()
	return n.Run(ctx)
}

// obey does what signals ask for, until the context ends.
func (s *settingsOf) obey(ctx context.Context, n *node.Node, super supervisor, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			switch sig {
			case syscall.SIGHUP:
				super.reloading(func() { s.reload(super.log, n.Reload) })
			case syscall.SIGUSR1:
				s.toggleDebug(super.log)
			}
		}
	}
}

func (s *serverFlags) config(stderr io.Writer) (node.Config, error) {
	if err := s.check(); err != nil {
		return node.Config{}, err
	}
	log, err := s.logger(stderr)
	if err != nil {
		return node.Config{}, err
	}
	key, err := s.clusterKey(log)
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{
		Name: s.node, Site: s.site, DataDir: s.dataDir, Bind: s.bind, Advertise: s.advertise,
		SIPAddr: s.sip, DefaultAddr: s.defaultPort, TCAddr: s.tc,
		TLSAddr: s.sipTLS, WSAddr: s.sipWS, WSSAddr: s.sipWSS, CertFile: s.sipCert, KeyFile: s.sipKey, HTTPCertFile: s.httpCert, HTTPKeyFile: s.httpKey, ClientCAFile: s.sipClientCA, Origins: s.sipOrigins,
		ClusterAddr: s.cluster, GossipAddr: s.gossip, HTTPAddr: s.httpd,
		Bootstrap: s.bootstrap, Join: s.join, InviteFile: s.inviteFile, AcceptRecovery: s.acceptRecovery, JoinTimeout: s.joinTimeout, Realm: s.realm,
		BackupDir: s.backupDir, BackupEvery: s.backupEvery, BackupKeep: s.backupKeep, BackupPassphraseFile: s.backupPassphrase, Records: s.records, CallTrace: s.callTrace, HistoryEvents: s.historyEvents,
		ClusterKey: key, LinkTimeout: s.linkTimeout, SIPRate: s.sipRate, SnapshotAfter: s.snapshotAfter,
		Insecure: s.insecure, Dev: s.dev, Debug: s.debug, Version: Version(), Log: log,
	}, nil
}
