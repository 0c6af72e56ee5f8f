// Executes the templates in a JSON list on stdin with Go's text/template, so that the policy can
// be compared with it. Prints a JSON list: a template, its data and either a text or an error.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"text/template"
)

// Host is the data of a host template.
type Host struct{ Name, Namespace, Domain string }

// Path is the data of a path template.
type Path struct{ Name, Namespace string }

// Result is what one template gives for one data.
type Result struct {
	Template string  `json:"template"`
	Data     any     `json:"data"`
	Text     *string `json:"text,omitempty"`
	Error    string  `json:"error,omitempty"`
}

var data = []any{
	Host{"hello", "default", "ofn.io"},
	Host{"a-1", "x", "b.a.io"},
	Path{"hello", "default"},
}

// limited stops a template that writes without end.
type limited struct{ strings.Builder }

func (l *limited) Write(text []byte) (int, error) {
	if l.Len() > 1<<20 {
		return 0, errors.New("too long")
	}
	return l.Builder.Write(text)
}

func execute(text string, data any) Result {
	result := Result{Template: text, Data: data}
	parsed, err := template.New("template").Parse(text)
	var out limited
	if err == nil {
		err = parsed.Execute(&out, data)
	}
	if err != nil {
		result.Error = err.Error()
		return result
	}
	whole := out.String()
	result.Text = &whole
	return result
}

func main() {
	log.SetFlags(0)
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	var templates []string
	if err := json.Unmarshal(input, &templates); err != nil {
		log.Fatal(err)
	}
	var results []Result
	for _, text := range templates {
		for _, data := range data {
			results = append(results, execute(text, data))
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(results); err != nil {
		log.Fatal(err)
	}
}
