package dev

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/contexts"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
)

// connect prepares a client of a node, as the cluster's administrator where it asks
// who one is.
func connect(as *credential.Context, addr string, timeout time.Duration) (*client.Client, error) {
	return client.ConnectTo(client.Target{Addrs: []string{addr}, As: as}, timeout)
}

// admin waits for the context that the first node leaves in its data directory when it
// has made the cluster.
func (d *devCluster) admin(ctx context.Context) error {
	if d.insecure || d.as != nil {
		return nil
	}
	first := d.procs[0]
	path := filepath.Join(first.node.DataDir, "admin.context")
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	err := poll(ctx, first.done, func() bool {
		b, err := credential.ReadSecret(path)
		if err != nil {
			return false
		}
		as, err := credential.ParseContext(b)
		if err != nil || len(as.Authorities) == 0 || as.Cluster == "" {
			return false // not whole yet
		}
		d.as = &as
		return true
	})
	switch {
	case err == errEnded: //nolint:errorlint // it is poll's
		return first.ended()
	case err != nil:
		return fmt.Errorf("waiting for %s: %w", path, err)
	}
	d.as.Addresses = nil
	for _, n := range d.nodes {
		d.as.Addresses = append(d.as.Addresses, n.TCAddr)
	}
	return nil
}

// invite has the first node let another one in, and keeps the line in a file beside
// the other's data.
func (d *devCluster) invite(ctx context.Context, n devNode) (file string, err error) {
	if err := d.admin(ctx); err != nil {
		return "", err
	}
	cl, err := connect(d.as, d.nodes[0].TCAddr, 5*time.Second)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	var line string
	err = poll(ctx, d.procs[0].done, func() bool {
		var made *configpb.CreateInviteResponse
		made, err = client.Unary(ctx, cl, cl.Access.CreateInvite, &configpb.CreateInviteRequest{NodeName: n.Name, LifetimeS: 600})
		line = made.GetLine()
		return err == nil || client.Refused(err, codes.PermissionDenied)
	})
	if err != nil {
		return "", fmt.Errorf("inviting node %s: %w", n.Name, err)
	}
	file = filepath.Join(d.dir, n.Name+".invite")
	return file, os.WriteFile(file, []byte(line+"\n"), 0o600)
}

// member tells whether a node's data directory belongs to a cluster already.
func member(n devNode) bool {
	_, err := os.Stat(filepath.Join(n.DataDir, "config.db"))
	return err == nil
}

// contextName is that of a cluster on these ports.
func contextName(f *devFlags) string {
	if f.basePort == defaultBasePort {
		return "dev"
	}
	return "dev-" + strconv.Itoa(f.basePort)
}

// enterContext adds the cluster to the user's contexts, in use while it runs, and
// returns what takes it out again.
func (c commands) enterContext(d *devCluster, name string) (leave func(), err error) {
	if d.as == nil {
		return func() {}, nil
	}
	path, err := contexts.Path(c.Getenv)
	if err != nil {
		return nil, err
	}
	before := ""
	err = contexts.Change(path, func(f *contexts.File) error {
		if before = f.Current; before == name {
			before = "" // left behind by one that was killed
		}
		d.as.Name = name
		f.Put(*d.as)
		f.Current = name
		return nil
	})
	return func() {
		_ = contexts.Change(path, func(f *contexts.File) error { // one that stays is replaced by the next
			if was := f.Find(name); was == nil || was.Token != d.as.Token {
				return nil // another one has the name by now
			}
			used := f.Current
			f.Remove(name)
			if used == name && f.Find(before) != nil {
				f.Current = before
			}
			return nil
		})
	}, err
}
