package node

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/identity"
)

func ringsChange(t *testing.T, all []*member) {
	a, before := all[0], losses(all)
	access := configpb.NewAccessClient(all[1].admin(t, a))
	written(t, func() error {
		_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
		return err
	})
	_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
	if used := all[1].machine.View().Security().GetGossip().GetPrimary() == 2; status.Code(err) != codes.FailedPrecondition && !used {
		t.Errorf("another one meanwhile: %v", err)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" has the new keys", func() bool {
			s := m.machine.View().Security()
			return s.GetGossip().GetPrimary() == 2 && len(s.GetGossip().GetKeys()) == 1 && s.GetRoutes().GetPrimary() == 2
		})
	}
	l, err := access.ListKeys(t.Context(), &configpb.ListKeysRequest{})
	if err != nil || len(l.GetGossip()) != 1 || len(l.GetRoutes()) != 2 || !l.GetRoutes()[1].GetPrimary() {
		t.Errorf("%v %v", l, err)
	}
	hear(t, all...)
	if now := losses(all); now != before {
		t.Errorf("%d losses", now-before)
	}
}

func authorityChanges(t *testing.T, all []*member) {
	a, before, pinned := all[0], losses(all), adminContext(t, all[0])
	access := configpb.NewAccessClient(a.admin(t, a))
	old := identity.Fingerprint(a.machine.View().Security().GetAuthorities()[0].GetCertificate())
	var r *configpb.RotateAuthorityResponse
	written(t, func() (err error) {
		r, err = access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{})
		return err
	})
	if signs := identity.Fingerprint(a.machine.View().Security().GetAuthorities()[0].GetCertificate()); signs == old && !slices.Equal(r.GetWaitingFor(), []string{"n1", "n2", "n3"}) {
		t.Fatal(r)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" has the new authority alone", func() bool {
			s := m.machine.View().Security().GetAuthorities()
			return len(s) == 1 && identity.Fingerprint(s[0].GetCertificate()) != old
		})
	}
	hear(t, all...)
	if now := losses(all); now != before {
		t.Errorf("%d losses", now-before)
	}
	who := func(c credential.Context) error {
		_, err := configpb.NewAccessClient(all[1].adminBy(t, c)).WhoAmI(t.Context(), &configpb.WhoAmIRequest{})
		return err
	}
	if err := who(pinned); err != nil {
		t.Errorf("a client that knows the old one: %v", err)
	}
	written(t, func() error {
		_, err := access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{Force: true})
		return err
	})
	await(t, "the old one makes nobody known any more", func() bool { return who(pinned) != nil })
	if err := who(adminContext(t, a)); err != nil {
		t.Errorf("a client that knows the new one: %v", err)
	}
}

func keyChanges(t *testing.T, all []*member) {
	a, b := all[0], all[1]
	old, removed := b.who.Fingerprint(), events(t, a, "node-removed")
	next, err := b.nodeKeys().Rekey()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		await(t, m.cfg.Name+" knows the next key alone", func() bool {
			return slices.Equal(m.machine.View().Node(b.id.ID).GetKeySha256(), []string{next})
		})
	}
	hear(t, all...)
	if got := b.who.Fingerprint(); got != next || got == old {
		t.Errorf("it uses %s", got)
	}
	if err := a.who.Trust().Holds(b.id.ID, old); !errors.Is(err, identity.OtherKey) {
		t.Errorf("the old one: %v", err)
	}
	if got := events(t, a, "node-removed"); got != removed {
		t.Errorf("%d nodes were removed", got-removed)
	}
}

// The authority was replaced by force, both rings twice, while n3 was away: it
// believes nobody, and nobody's certificate of its time counts.
func wayBack(t *testing.T, all []*member) {
	a, c := all[0], all[2]
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	c.stop = func() error { return nil }
	access := configpb.NewAccessClient(a.admin(t, a))
	for _, force := range []bool{false, true} {
		written(t, func() error {
			_, err := access.RotateAuthority(t.Context(), &configpb.RotateAuthorityRequest{Force: force})
			return err
		})
	}
	access = configpb.NewAccessClient(a.admin(t, a))
	for range 2 {
		before := a.machine.View().Security().GetGossip().GetPrimary()
		written(t, func() error {
			_, err := access.RotateKeys(t.Context(), &configpb.RotateKeysRequest{})
			return err
		})
		await(t, "a rotation's end", func() bool {
			r := a.machine.View().Security().GetGossip()
			return r.GetPrimary() == before+1 && len(r.GetKeys()) == 1
		})
	}
	all[2] = run(a.home, c.cfg)
	hear(t, all...)
	if all[2].log.has("learned whom to believe") != true {
		t.Error("it did not have to learn anything: what is tested?")
	}
}
