package dn

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/sipcluster/sipcluster/cmd/internal/config"
)

// mapping is how a CSV file is read whose header is somebody else's. The zero mapping
// is that of csvHeader.
type mapping struct {
	// Columns are the names in the file's header, by field.
	Columns map[string]string `yaml:"columns"`
	// Values are what texts in the file stand for, by field and text.
	Values map[string]map[string]string `yaml:"values,omitempty"`
	// Defaults are for fields that the file has not, or that are empty.
	Defaults map[string]string `yaml:"defaults,omitempty"`
	// Separator is between columns, "," by default, and GroupSeparator between groups, ";".
	Separator string `yaml:"separator,omitempty"`
	Groups    string `yaml:"group_separator,omitempty"`
}

// maxMapping bounds a mapping file in bytes.
const maxMapping = 1 << 20

// readMapping refuses what it doesn't know.
func readMapping(r io.Reader) (m mapping, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxMapping+1))
	if err != nil {
		return m, err
	}
	if len(b) > maxMapping {
		return m, fmt.Errorf("the mapping is larger than %d bytes", maxMapping)
	}
	dec := yaml.NewDecoder(strings.NewReader(string(b)))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		return m, config.YamlError(err)
	}
	return m, m.check()
}

func (m *mapping) check() error {
	for _, x := range []struct{ what, text string }{{"separator", m.Separator}, {"group_separator", m.Groups}} {
		if n := utf8.RuneCountInString(x.text); n > 1 || strings.ContainsAny(x.text, "\"\r\n\ufffd") {
			return fmt.Errorf("%s %.20q: want one character, and no quote", x.what, x.text)
		}
	}
	for what, fields := range map[string][]string{
		"columns": slices.Sorted(maps.Keys(m.Columns)), "values": slices.Sorted(maps.Keys(m.Values)), "defaults": slices.Sorted(maps.Keys(m.Defaults)),
	} {
		for _, field := range fields {
			if !slices.Contains(csvFields, field) {
				return fmt.Errorf("%s: there is no field %.40q: %s", what, field, strings.Join(csvFields, ", "))
			}
		}
	}
	if m.Columns["dn"] == "" {
		return errors.New("columns: dn is missing: the name of the column that has the numbers")
	}
	if m.Columns["kind"] == "" && m.Defaults["kind"] == "" {
		return errors.New("kind is missing: name its column, or the kind of all in defaults")
	}
	return nil
}

func (m *mapping) comma() rune {
	r, _ := utf8.DecodeRuneInString(cmp.Or(m.Separator, ","))
	return r
}

func (m *mapping) groupSeparator() string { return cmp.Or(m.Groups, ";") }

// wants is the header that a file is to have.
func (m *mapping) wants() string {
	if m.Columns == nil {
		return strings.Join(csvHeader[:csvLeast], ",") + ", perhaps with ,outbound"
	}
	var all []string
	for _, field := range csvFields {
		if name := m.Columns[field]; name != "" {
			all = append(all, name)
		}
	}
	return "with " + strings.Join(all, ", ")
}

// find finds the fields in a header.
func (m *mapping) find(header []string) (map[string]int, error) {
	at := map[string]int{}
	if m.Columns == nil {
		if len(header) < csvLeast || len(header) > len(csvHeader) || !slices.Equal(header, csvHeader[:len(header)]) {
			return nil, fmt.Errorf("want the header %s; what another one means says --map", m.wants())
		}
		for i, name := range header {
			at[name] = i
		}
		return at, nil
	}
	var missing []string
	for _, field := range csvFields {
		name := m.Columns[field]
		if name == "" {
			continue
		}
		for i, column := range header {
			if strings.TrimSpace(column) != name {
				continue
			}
			if _, twice := at[field]; twice {
				return nil, fmt.Errorf("the column %q is there twice", name)
			}
			at[field] = i
		}
		if _, found := at[field]; !found {
			missing = append(missing, fmt.Sprintf("%q (%s)", name, field))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("no column %s; the file has %.200s", strings.Join(missing, ", "), strings.Join(header, string(m.comma())))
	}
	return at, nil
}

// value is what a row has of a field, as the mapping reads it; passwords are left as they
// are.
func (m *mapping) value(field string, row []string, at map[string]int) string {
	text := ""
	if i, ok := at[field]; ok {
		text = row[i]
	}
	if m.Columns == nil {
		return text
	}
	if field != "password" {
		text = strings.TrimSpace(text)
	}
	if stands, ok := m.Values[field][text]; ok {
		text = stands
	}
	return cmp.Or(text, m.Defaults[field])
}
