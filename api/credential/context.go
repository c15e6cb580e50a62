package credential

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Context is how somebody reaches a cluster: where, how it is known, and as whom. A
// secret is in it.
type Context struct {
	Name string `yaml:"name"`
	// Cluster is its id.
	Cluster string `yaml:"cluster,omitempty"`
	// Authorities are the fingerprints of the cluster's authorities.
	Authorities []string `yaml:"ca-sha256,flow"`
	// Addresses are TCports, HOST:PORT, tried in order.
	Addresses []string `yaml:"addresses,flow"`
	Token     string   `yaml:"token,omitempty"`
	// Certificate and Key are files (PEM), instead of a token.
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
}

// ParseContext reads what Encode writes.
func ParseContext(b []byte) (Context, error) {
	var c Context
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("not a context: %s", oneLine(err))
	}
	return c, c.Check()
}

// oneLine is an error of the YAML reader, which quotes nothing of the text.
func oneLine(err error) string {
	var t *yaml.TypeError
	if errors.As(err, &t) {
		return "it has another form"
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}

// Check returns what is wrong with a context.
func (c Context) Check() error {
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, "/ \t\r\n") || len(c.Name) > 64:
		return fmt.Errorf("context %.70q: want a name of 1 to 64 characters without spaces and slashes", c.Name)
	case c.Token != "" && c.Certificate != "":
		return fmt.Errorf("context %s has a token and a certificate: want one of both", c.Name)
	case (c.Certificate == "") != (c.Key == ""):
		return fmt.Errorf("context %s: a certificate needs its key", c.Name)
	}
	if c.Token != "" {
		if _, err := ParseToken(c.Token); err != nil {
			return fmt.Errorf("context %s: %w", c.Name, err)
		}
	}
	return nil
}

// Encode writes the context as YAML.
func (c Context) Encode() ([]byte, error) { return yaml.Marshal(c) }

// TLS is for connections to the cluster's nodes.
func (c Context) TLS() (*tls.Config, error) {
	if c.Certificate == "" {
		return TLS(c.Authorities), nil
	}
	key, err := ReadSecret(c.Key)
	if err != nil {
		return nil, err
	}
	chain, err := os.ReadFile(c.Certificate)
	if err != nil {
		return nil, err
	}
	own, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s with %s: %w", c.Certificate, c.Key, err)
	}
	return TLS(c.Authorities, own), nil
}
