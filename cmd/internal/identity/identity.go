// Package identity is the commands about who asks: contexts and login, tokens, and
// the log of who changed what.
package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/cmd/internal/client"
	"github.com/sipcluster/sipcluster/cmd/internal/console"
)

// commands are those of this package, for one who asks a node.
type commands struct{ *client.Operator }

// The JSON of tokens; names and order are a contract.
type (
	tokenJSON struct {
		ID      string    `json:"id"`
		Name    string    `json:"name"`
		Role    string    `json:"role"`
		Scope   scopeJSON `json:"scope"`
		Begins  string    `json:"not_before"`
		Expires string    `json:"expires"`
	}
	scopeJSON struct {
		RoutingPoints    []string `json:"routing_points"`
		Groups           []string `json:"groups"`
		DNPrefixes       []string `json:"dn_prefixes"`
		ExternalPrefixes []string `json:"external_prefixes"`
	}
	whoJSON struct {
		Cluster string     `json:"cluster"`
		Context string     `json:"context"`
		Token   *tokenJSON `json:"token"`
	}
)

func newTokenJSON(t *configpb.Token) tokenJSON {
	list := func(l []string) []string { return append([]string{}, l...) }
	s := t.GetScope()
	return tokenJSON{
		ID: t.GetId(), Name: t.GetName(), Role: configpb.RoleName(t.GetRole()), Begins: moment(t.GetNotBeforeMs()), Expires: moment(t.GetExpiresMs()),
		Scope: scopeJSON{list(s.GetRoutingPoints()), list(s.GetGroups()), list(s.GetDnPrefixes()), list(s.GetExternalPrefixes())},
	}
}

// moment is a time, "" for none.
func moment(ms uint64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339)
}

// scopeWords is a scope as people read it.
func scopeWords(s *configpb.Scope) string {
	var words []string
	for _, l := range []struct {
		what string
		of   []string
	}{
		{"routing points", s.GetRoutingPoints()}, {"groups", s.GetGroups()}, {"DNs", s.GetDnPrefixes()}, {"numbers", s.GetExternalPrefixes()},
	} {
		if len(l.of) > 0 {
			words = append(words, l.what+" "+strings.Join(l.of, ","))
		}
	}
	return console.Dash(strings.Join(words, "; "))
}

// WhoAmICommand is whoami.
func WhoAmICommand(op *client.Operator) *cobra.Command {
	c := commands{op}
	return c.Reading(&cobra.Command{
		Use: "whoami", Short: "Show who a node takes you for, and by which context", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := c.Connect()
			if err != nil {
				return err
			}
			defer cl.Close()
			return console.Doing("whoami", c.whoAmI(cmd.Context(), cl))
		},
	})
}

func (c commands) whoAmI(ctx context.Context, cl *client.Client) error {
	who, err := client.Unary(ctx, cl, cl.Access.WhoAmI, &configpb.WhoAmIRequest{})
	if err != nil {
		return err
	}
	name := ""
	if cl.As != nil {
		name = cl.As.Name
	}
	if c.JSON() {
		j := whoJSON{Cluster: who.GetClusterId(), Context: name}
		if who.Token != nil {
			t := newTokenJSON(who.Token)
			j.Token = &t
		}
		return console.Encode(c.Out, j)
	}
	if who.Token == nil {
		_, err = fmt.Fprintf(c.Out, "nobody is asked: cluster %s was made with --insecure\n", who.GetClusterId())
		return err
	}
	t := who.GetToken()
	_, err = fmt.Fprintf(c.Out, "%s, role %s, token %s, expires %s, scope: %s\ncluster %s, context %s\n",
		t.GetName(), configpb.RoleName(t.GetRole()), t.GetId(), never(t.GetExpiresMs()), scopeWords(t.GetScope()), who.GetClusterId(), console.Dash(name))
	return err
}

// never is when something expires, in words.
func never(ms uint64) string {
	if ms == 0 {
		return "never"
	}
	return moment(ms)
}
